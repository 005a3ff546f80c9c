"""`python -m experiments.book`: the state of every claim over many folders, from made-up summaries."""

import json

import pytest
from helpers.pages import CHROMIUM, Page, check_in_browser, check_links
from helpers.summaries import a_claim, a_summary, write_pictures

from experiments.book import main
from experiments.book.folders import read_folders
from experiments.book.states import TOPICS, sources_of, state_of, states_by_form
from jaxsize.results.json_files import write_json
from jaxsize.studies import write_report

MARKS = [claim["mark"] for topic in TOPICS for claim in topic["claims"]]


def make(folder, claims, report=False, **changes):
    """A results folder whose summary has these claims, by form."""
    folder.mkdir(parents=True)
    summary = a_summary(claims=claims, **changes)
    if report:
        write_pictures(folder)
        write_report(folder, summary)
    write_json(folder / "summary.json", summary)
    return folder


def stands(root, mark):
    sources = sources_of(mark, read_folders([root])[0])
    return state_of(sources), states_by_form(sources)


def test_every_claim_is_in_the_list_once_with_a_sentence_and_a_source():
    assert [f"C{i}" for i in range(1, 51)] == MARKS
    claims = [claim for topic in TOPICS for claim in topic["claims"]]
    assert all(claim["sentence"].endswith(".") and claim["source"] for claim in claims)


VERDICTS = {  # (value, n) of two folders on digits -> how the claim stands
    "both hold": ((2.0, 8), (2.0, 6), "holds", False),
    "both are refuted": ((-2.0, 8), (-2.0, 8), "refuted", False),
    "they conflict": ((2.0, 8), (-2.0, 6), "open", True),
    "few seeds are open, many hold": ((2.0, 2), (2.0, 8), "holds", False),
    "few seeds hold, many are open": ((2.0, 8), (0.1, 30), "open", False),
    "equally many hold and are open": ((0.1, 8), (2.0, 8), "holds", False),
}


@pytest.mark.parametrize("case", VERDICTS.values(), ids=VERDICTS)
def test_folders_about_the_same_are_compared(tmp_path, case):
    one, other, expected, conflict = case
    make(tmp_path / "one", {"corrected": {"C21": a_claim(*one)}})
    make(tmp_path / "other", {"corrected": {"C21": a_claim(*other)}})
    state, _ = stands(tmp_path, "C21")
    assert (state.verdict, state.conflict) == (expected, conflict)
    if conflict:
        assert state.note == "holds in one folder and is refuted in another: C21 on digits"


def test_data_sets_and_refinements_have_to_agree(tmp_path):
    make(tmp_path / "a", {"corrected": {"C25a": a_claim(2.0, datasets=("digits", "mnist"))}})
    make(tmp_path / "b", {"corrected": {"C25a, size": a_claim(2.0)}})
    assert stands(tmp_path, "C25")[0].verdict == "holds"
    assert stands(tmp_path, "C26")[0].verdict == "not run"
    make(tmp_path / "c", {"corrected": {"C25b": a_claim(-2.0)}})
    state, _ = stands(tmp_path, "C25")
    assert (state.verdict, state.conflict) == ("open", False)
    assert state.note == "holds: C25a on digits, mnist, C25a, size on digits; refuted: C25b on digits"


def test_the_corrected_form_decides_and_what_is_untested_counts_for_nothing(tmp_path):
    untested = {"claim": "sizes grow", "verdict": "not tested", "parts": [], "reason": "needs more"}
    make(tmp_path / "a", {"original": {"C22": a_claim(-2.0)}, "corrected": {"C22": a_claim(2.0)}})
    make(tmp_path / "b", {"original": {"C23": a_claim(-2.0)}, "corrected": {"C23": untested}})
    state, by_form = stands(tmp_path, "C22")
    assert state.verdict == "holds" and by_form["original"].verdict == "refuted" and not state.conflict
    assert stands(tmp_path, "C23")[0].verdict == "refuted"
    make(tmp_path / "c", {"corrected": {"C24": untested}})
    assert stands(tmp_path, "C24")[0].verdict == "not run"


@pytest.fixture
def results(tmp_path):
    root = tmp_path / "results & more"
    make(root / "one" / "digits", {"corrected": {"C21": a_claim(2.0), "C15b": a_claim(2.0)}}, report=True)
    make(root / "two", {"corrected": {"C21": a_claim(-2.0), "own": a_claim(2.0)}, "original": {"C21": a_claim(2.0, 2)}})
    make(root / "three", {"corrected": {"C46": a_claim(-2.0), "C19": {**a_claim(0.1), "settle": "20 seeds: --x"}}})
    (root / "old").mkdir()
    (root / "old" / "summary.json").write_text('{"settings": {}}')
    (root / "new").mkdir()
    (root / "new" / "summary.json").write_text('{"format": 2}')
    words = a_claim(2.0)
    words["parts"][0]["estimate"] = {"two": []}
    words["parts"][0]["low"] = "one"
    make(root / "words", {"corrected": {"C21": words}})
    (root / "edited").mkdir()
    (root / "edited" / "summary.json").write_text(json.dumps({"format": 1, "study": "x"}))
    (root / "torn").mkdir()
    (root / "torn" / "summary.json").write_text("{")
    return root


def test_a_book_tells_every_claim_what_it_rests_on_and_what_is_skipped(results, tmp_path, capsys):
    assert main([str(results), str(results / "two"), "--out", str(tmp_path / "book.html")]) == 0
    said = capsys.readouterr()
    assert said.err == "" and said.out.splitlines()[-1].startswith("2 claims settled, 2 open, 46 not run: ")
    assert said.out.count("skipped ") == 5
    page = Page(tmp_path / "book.html")
    check_links(page)
    assert set(MARKS) <= set(page.ids)
    assert "results%20%26%20more/one/digits/report.html" in page.path.read_text()
    for words in (
        "2 settled (1 hold, 1 refuted), 2 open, 46 not run",
        "C21: corrected form: holds in one folder and is refuted in another: C21 on digits",
        "What would settle it: 20 seeds: --x",
        "made_up, corrected form, digits, n = 8",
        "own sizes grow (corrected form)",
        "results & more/old: summary.json names no format",
        "results & more/new: summary.json is of format 2",
        "results & more/edited: summary.json is damaged (KeyError: 'question')",
        "results & more/words: summary.json is damaged (TypeError",
        "results & more/torn: is not a JSON file",
    ):
        assert words in page.text, words


WRONG = {
    "no folder": ([], "required: FOLDER"),
    "a folder that is not there": (["nowhere"], "nowhere: expected a folder with results, found none"),
    "a file": (["file"], "file: expected a folder with results, found a file"),
    "an empty folder": (["empty"], "no summary.json in or below empty"),
    "nothing of this format": (["older"], "none of 1 folders can be read: older: summary.json names no format"),
    "a flag that is not there": (["empty", "--nope"], "unrecognized arguments: --nope"),
    "another kind of page": (["older", "--out", "book.pdf"], "--out: expected a file .html"),
    "a page in no folder": (["older", "--out", "none/book.html"], "--out: expected a file .html in a folder"),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_wrong_input_is_one_line(tmp_path, monkeypatch, capsys, case):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "older"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "older" / "summary.json").write_text("{}")
    arguments, expected = case
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith("python -m experiments.book: ") and expected in said.err
    assert not list(tmp_path.rglob("*.html"))


def test_a_disk_that_fails_is_one_line(results, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jaxsize.studies.pages.replace_file", full)
    assert main([str(results), "--out", str(tmp_path / "book.html")]) == 1
    assert capsys.readouterr().err.endswith("No space left on device\n")


@pytest.mark.skipif(not CHROMIUM, reason="no chromium: the book is not opened in a browser")
def test_in_a_browser_nothing_overflows(results, tmp_path):
    assert main([str(results), "--out", str(tmp_path / "book.html")]) == 0
    check_in_browser(tmp_path / "book.html", tmp_path / "browser")
