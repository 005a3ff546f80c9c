"""report.html: everything that a summary holds, in one file that is read by people, by parsers and by a browser."""

import base64
import copy
import json
import re
from pathlib import Path

import jsonschema
import pytest
from helpers.pages import CHROMIUM, Page, check_in_browser, check_links
from helpers.summaries import a_claim, a_summary, png, write_pictures

from jaxsize import studies
from jaxsize.errors import InputError
from jaxsize.results import versions
from jaxsize.results.json_files import read_json, to_plain, write_json
from jaxsize.studies import grids, write_report

SCHEMA = read_json(Path(studies.__file__).parent / "summary.schema.json")
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture
def folder(tmp_path):
    write_pictures(tmp_path)
    return tmp_path


def plain_summary(**changes):
    return json.loads(json.dumps(to_plain(a_summary(**changes))))


def page_of(folder, **changes):
    return Page(write_report(folder, plain_summary(**changes)))


def test_the_schema_is_one_and_takes_a_summary_of_every_kind():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(plain_summary())


@pytest.mark.parametrize("key", SCHEMA["required"])
def test_the_schema_misses_an_entry(key):
    summary = plain_summary()
    del summary[key]
    assert not VALIDATOR.is_valid(summary)


WRONG = {
    "another format": lambda s: s.update(format=2),
    "an answer that is no list": lambda s: s.update(answer="one sentence"),
    "an unknown verdict": lambda s: s["claims"]["original"]["C21"].update(verdict="true"),
    "an unknown form": lambda s: s["claims"].update(mended={}),
    "a claim without parts": lambda s: s["claims"]["original"]["C21"].pop("parts"),
    "a part without n": lambda s: s["claims"]["original"]["C21"]["parts"][0].pop("n"),
    "an estimate in words": lambda s: s["claims"]["original"]["C21"]["parts"][0].update(estimate="2"),
    "a p value above 1": lambda s: s["claims"]["original"]["C21"]["parts"][0].update(p_value=1.5),
    "a description without n": lambda s: s["results"][0]["size"].pop("n"),
    "a cell of another kind": lambda s: s["results"][0].update(size={"some": "thing"}),
    "a data set without a source": lambda s: s["data"]["digits"].pop("source"),
    "a picture without words": lambda s: s["pictures"][0].pop("caption"),
    "a picture of another kind": lambda s: s["pictures"][0].update(file="sizes.gif"),
    "a lost run without a number": lambda s: s["not_finite"][0].pop("run"),
    "a collapsed run by name": lambda s: s.update(collapsed=["a"]),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_the_schema_refuses(change):
    summary = copy.deepcopy(plain_summary())
    change(summary)
    assert not VALIDATOR.is_valid(summary)


def test_a_page_tells_all_of_a_summary_in_order(folder):
    summary = plain_summary()
    page = page_of(folder)
    told = [
        *(summary["question"], *summary["answer"], "digits, original form", "digits, corrected form", "Other < things"),
        *("C21 Sizes grow", "refuted in the original form", "open in the corrected form"),
        *("C22 <b>text</b> & more", "not tested in the original form: x < y"),
        *("C25a, size About twice", "not decided", "What would settle it: the source's words do not decide this"),
        *("sizes < digits. Sizes \"against\" epochs & more.", "small. A small one.", "not finite", "<fixed>"),
        *("lost all its units: 4, 5", "--num-seeds 2", "--rate \N{EN DASH}"),
        *("--resize yes", "--prices 0.1, 1e-7", "<i>x</i>"),
        *("a_place_a_place_", " ".join(summary["command"].split()), f"jax {versions()['jax']}"),
    ]  # fmt: skip
    places = [page.text.find(words) for words in told]
    assert -1 not in places, told[places.index(-1)]
    assert places == sorted(places)
    assert "undefined" not in page.text.lower() and "None" not in page.text


def test_numbers_are_told_with_interval_and_count(folder):
    text = page_of(folder).text
    assert "0.5000 [0.2500 to 0.7500] n = 3, range" in text  # of the wide row, in a table of several counts
    assert "7.25 n = 7" in text and "4 n = 1, 1 lost" in text
    assert "1.5 [-2e-7 to 1235] n = 8" in text
    assert "n too small for 95 %" in text and "0.031" in text
    assert "does not count: the sizes agree" in text


def test_a_caption_says_what_all_cells_share():
    rows = [{"gate": "a", "size": to_plain(each)} for each in ({"median": 1, "low": 1, "high": 2, "n": 8},)]
    rows[0]["size"] |= {"interval": "95 % of the median", "dropped": 0}
    grid = grids.grid_of_rows(rows, {"size": "rows"})
    assert grid.caption == "Median over 8 runs [95 % interval of the median]."
    assert grid.headings == [("gate", ""), ("size", "rows")]
    assert grid.rows[0][1] == grids.Cell("1", "[1 to 2]", "", True)
    assert grid.numeric == [False, True]
    assert grids.grid_of_rows([]) == grids.Grid("", [], []) and grids.grid_of_rows([]).numeric == []


def test_nothing_of_a_summary_becomes_markup(folder):
    page = page_of(folder, answer=["<script>alert(1)</script>", "</style><b>bold", '"><img src=x>'])
    assert {tag for tag, _ in page.tags} & {"script", "i"} == set()
    assert len(page.images) == 2


def test_links_lead_somewhere_and_pictures_decode(folder):
    page = page_of(folder)
    check_links(page)
    assert len(page.images) == 2
    for found, file in zip(page.images, ("sizes.png", "small.png"), strict=True):
        kind, content = str(found["src"]).split(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(content) == (folder / file).read_bytes()
        assert found["alt"]
    assert (page.images[0]["width"], page.images[0]["height"]) == ("1500", "400")


def test_a_summary_of_nothing_is_told_too(folder):
    empty = {"answer": [], "results": [], "tables": {}, "claims": {}, "pictures": [], "not_finite": [], "data": {}}
    text = page_of(folder, **empty, collapsed=[], settings={}).text
    for words in ("no answer in words", "no results", "tests no claim", "draws no picture", "finite numbers"):
        assert words in text


def test_versions_are_those_of_the_folder(folder):
    record = {"versions": {"jax": "9.8.7", "scipy": None}, "device": {"platform": "tpu"}, "started": "2001-02-03"}
    write_json(folder / "config.json", record)
    text = page_of(folder).text
    assert "Versions: jax 9.8.7. Device: platform: tpu." in text and "2001-02-03" in text


def test_one_claim_under_names_that_look_alike_has_ids_of_its_own(folder):
    claims = {"corrected": {"C13": a_claim(), "C13 ": a_claim(), "C-13": a_claim(), "é": a_claim()}}
    ids = [each for each in page_of(folder, claims=claims).ids if each.startswith("claim-")]
    assert len(set(ids)) == 4 and all(re.fullmatch(r"[\w-]+", each) for each in ids)


def test_writing_again_replaces_the_page_and_leaves_nothing_else(folder):
    before = {path.name for path in folder.iterdir()}
    write_report(folder, a_summary(answer=["first"]))
    page = page_of(folder, answer=["second"])
    assert "second" in page.text and "first" not in page.text
    assert {path.name for path in folder.iterdir()} - before == {"report.html"}


def test_wrong_input_is_named(folder):
    with pytest.raises(InputError, match="expected a summary of format 1, got 7"):
        write_report(folder, a_summary(format=7))
    with pytest.raises(InputError, match="data, claims is missing"):
        write_report(folder, {key: value for key, value in a_summary().items() if key not in ("data", "claims")})
    (folder / "small.png").write_bytes(b"GIF89a")
    with pytest.raises(InputError, match=r"small\.png: expected a PNG picture"):
        write_report(folder, a_summary())
    (folder / "small.png").unlink()
    with pytest.raises(InputError, match=r"small\.png: expected a picture, found none"):
        write_report(folder, a_summary())
    assert not (folder / "report.html").exists()
    (folder / "small.png").write_bytes(png(1, 1))
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json is not a JSON file"):
        write_report(folder, a_summary())


@pytest.mark.skipif(not CHROMIUM, reason="no chromium: the report is not opened in a browser")
def test_in_a_browser_nothing_overflows_and_nothing_is_missing(folder, tmp_path):
    check_in_browser(write_report(folder, plain_summary()), tmp_path / "browser")
