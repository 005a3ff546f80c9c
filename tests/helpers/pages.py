"""Reading a page: its text, ids, links and pictures, by Python's own parser, and how it looks in a browser."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

VOID = {"meta", "link", "img", "br", "hr"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--disable-dev-shm-usage", "--virtual-time-budget=10000", "--window-size=1600,900"),
]
MEASURE = """
const page = document.querySelector("iframe");
page.addEventListener("load", () => {
  const view = page.contentWindow, inside = page.contentDocument, found = [];
  const look = (state) => {
    const over = [...inside.body.querySelectorAll("*")].filter((one) =>
      one.getBoundingClientRect().right > view.innerWidth + 0.5 && !one.parentElement.closest(".box"));
    found.push({state: state, width: inside.documentElement.scrollWidth, room: view.innerWidth,
      over: over.map((one) => one.tagName + " " + one.textContent.slice(0, 40))});
  };
  look("closed");
  inside.querySelectorAll("details").forEach((one) => { one.open = true; });
  look("open");
  const images = [...inside.images].map((one) => [one.naturalWidth, one.clientWidth]);
  const text = getComputedStyle(inside.body).fontSize;
  document.querySelector("pre").textContent = JSON.stringify({looks: found, images: images, text: text});
});
"""


class Page(HTMLParser):
    """A page, parsed: `text`, `ids`, `links`, `images` (their attributes) and `tags`. Open tags must be closed."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.words, self.open = path, [], []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(path.read_text("utf-8"))
        self.close()
        assert self.open == [], "every tag is closed"

    @property
    def text(self) -> str:
        """Its words on one line, with no blank before a sign."""
        return re.sub(r" ([,:;)]|\.(?!\d))", r"\1", re.sub(r"\( ", "(", " ".join(" ".join(self.words).split())))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids += [name for name in [found.get("id")] if name]
        self.links += [found.get("href") or ""] if tag == "a" else []
        self.images += [found] if tag == "img" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.words.append(data)


def check_links(page: Page) -> None:
    """Every link leads to an id of the page or to a file; nothing is loaded from elsewhere; ids are unique."""
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        else:
            assert (page.path.parent / unquote(link)).is_file(), link
    assert not [tag for tag, _ in page.tags if tag in ("script", "iframe", "object", "embed")]
    sources = [found.get(name) or "" for _, found in page.tags for name in ("src", "srcset", "data")]
    sources += [found.get("href") or "" for tag, found in page.tags if tag == "link"]
    assert all(source == "" or source.startswith("data:") for source in sources)
    assert "url(" not in page.path.read_text("utf-8") and "@import" not in page.path.read_text("utf-8")


def in_browser(page: Path, width: int, folder: Path) -> dict[str, Any]:
    """Open a page in headless Chromium, in a frame of a width, and measure it with all details closed and open.

    Args:
        page: the page.
        width: of the frame, in pixels: a window cannot be as narrow as a phone.
        folder: an empty folder to work in.
    """
    assert CHROMIUM
    folder.mkdir(parents=True)
    framed = html.escape(page.read_text("utf-8"))
    wrapper = folder / "wrapper.html"
    wrapper.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><pre></pre>'
        f'<iframe style="border:0;width:{width}px;height:800px" srcdoc="{framed}"></iframe><script>{MEASURE}</script>',
        "utf-8",
    )
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", wrapper.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = re.search(r"<pre>(\{.*?\})</pre>", done.stdout, re.DOTALL)
    assert found, f"no measurements: {done.stdout[-200:]} {done.stderr[-500:]}"
    return json.loads(html.unescape(found[1]))


def check_in_browser(page: Path, folder: Path) -> None:
    """At the width of a phone and of a screen nothing overflows and no picture is missing."""
    for width in (375, 1280):
        found = in_browser(page, width, folder / str(width))
        for look in found["looks"]:
            assert look["room"] == width
            assert look["width"] <= width and not look["over"], look
        assert len(found["images"]) == len(Page(page).images)
        assert all(natural > 0 and shown > 0 for natural, shown in found["images"])
        assert found["text"] == "16px", "the page's style is applied"
