"""Self-contained web pages from Jinja templates: one file, no script, readable on paper and on a phone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxsize.errors import require_package
from jaxsize.results.json_files import replace_file

TEMPLATES = Path(__file__).parent / "templates"
"""Here are page.html.jinja, which others extend, and macros.html.jinja: verdicts and tables."""


def write_page(path: Path, template: str, values: dict[str, Any], folders: Sequence[Path] = ()) -> Path:
    """Fill in a template and write the page, in one step: a reader finds the old page or the new one.

    All values are escaped, and a value that the template asks for and does not get is an error.

    Args:
        path: the page; its folder must exist.
        template: the name of the template, in `TEMPLATES` or one of the folders.
        values: by the names that the template uses.
        folders: further folders with templates, searched first.

    Returns:
        The path.

    Raises:
        InputError: when Jinja is not installed.
        OSError: when the page cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxsize.studies.pages import write_page
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "hello.html.jinja").write_text("<p>{{ name }}</p>")
        ...     page = write_page(Path(folder, "hello.html"), "hello.html.jinja", {"name": "<&>"}, [Path(folder)])
        ...     print(page.read_text())
        <p>&lt;&amp;&gt;</p>
    """
    require_package("jinja2", "studies")
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(values)
    replace_file(Path(path), [text.encode("utf-8", "backslashreplace")])
    return Path(path)
