"""Tables from OpenML: a stand-in for scikit-learn's `fetch_openml`, and what a user sees without a network."""

import gzip
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn
from helpers.data import airfoil_rows, census_row, training_rows
from sklearn.datasets import _openml as fetching

from jaxsize.data import DatasetNotFoundError, load
from jaxsize.data._files.openml import OpenmlTable, Part, _as_text, _fetched_bunch
from jaxsize.data.sets import airfoil, census, poker


@pytest.fixture(autouse=True)
def answering_network(monkeypatch):
    monkeypatch.delenv("JAXSIZE_DATA_DIR", raising=False)
    monkeypatch.setattr("jaxsize.data._files.openml.arriving_blocks", lambda url: (block for block in [b""]))


def bunch_of(rows: list[list[str]], categorical: list[int]) -> SimpleNamespace:
    """What `fetch_openml` returns: floats, for categories their codes, NaN for what is unknown."""
    names = [f"column {index}" for index in range(len(rows[0]))]
    categories = {names[i]: sorted({row[i] for row in rows} - {"?"}, reverse=True) for i in categorical}

    def value(index: int, text: str) -> float:
        if text == "?":
            return np.nan
        return float(categories[names[index]].index(text) if index in categorical else text)

    data = np.array([[value(index, text) for index, text in enumerate(row)] for row in rows])
    return SimpleNamespace(data=data, target=None, feature_names=names, categories=categories)


@pytest.fixture
def openml(monkeypatch):
    """Sets what OpenML has, or raises; returns the list of the queries that came."""
    queries = []

    def offer(content):
        def fetch_openml(**arguments):
            queries.append(arguments)
            if isinstance(content, Exception):
                raise content
            return content

        monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch_openml)
        return queries

    return offer


def expect(monkeypatch, module, *parts: list[list[str]], numeric: tuple[int, ...] = (0,)) -> None:
    """Makes `parts` the published rows of a set."""
    published = module._OPENML
    made = tuple(Part(len(part), {c: sum(float(row[c]) for row in part) for c in numeric}) for part in parts)
    monkeypatch.setattr(module, "_OPENML", OpenmlTable(published.query, published.num_fields, made))


def test_a_table_is_fetched_once_and_kept(tmp_path, monkeypatch, openml):
    rows = airfoil_rows()
    expect(monkeypatch, airfoil, rows, numeric=tuple(range(6)))
    queries = openml(bunch_of(rows, []))
    dataset = load("airfoil", data_dir=tmp_path)
    (query,) = queries
    assert (query["name"], query["version"], query["as_frame"]) == ("airfoil_self_noise", 1, False)
    assert dataset.source == f"rows from OpenML in {tmp_path / 'airfoil' / 'openml.csv'}"
    assert os.listdir(tmp_path / "airfoil") == ["openml.csv"]
    assert load("airfoil", data_dir=tmp_path).fingerprint() == dataset.fingerprint()
    assert len(load("airfoil_iid", data_dir=tmp_path).train) == 26
    assert len(queries) == 1

    text = "".join("\t".join(row) + "\r\n" for row in rows)
    (tmp_path / "airfoil" / airfoil.FILE_NAME).write_text(text, encoding="utf-8", newline="")
    shipped = load("airfoil", data_dir=tmp_path)
    assert shipped.source.startswith("file ")
    assert shipped.fingerprint() == dataset.fingerprint()


def test_census_parts_and_unknown_values_come_back_as_shipped(tmp_path, monkeypatch, openml):
    train, test = [census_row(row) for row in range(12)], [census_row(row) for row in range(40, 45)]
    expect(monkeypatch, census, test, train, numeric=tuple(census.NUMERIC))
    queries = openml(bunch_of([*test, *train], [*census.CATEGORICAL, 14]))
    fetched = load("census", data_dir=tmp_path, form="original")
    assert queries[0]["data_id"] == 1590
    for file, rows, dot in (("adult.data", train, ""), ("adult.test", test, ".")):
        text = "".join(", ".join(row) + f"{dot}\n" for row in rows)
        (tmp_path / "adult" / file).write_text(text, encoding="utf-8")
    shipped = load("census", data_dir=tmp_path, form="original")
    assert "workclass=?" in shipped.info["input_names"]
    assert fetched.info == shipped.info
    assert fetched.fingerprint() == shipped.fingerprint()
    assert fetched.source != shipped.source


@pytest.mark.parametrize("class_is_categorical", [True, False])
def test_poker_hands_are_fetched_too(tmp_path, monkeypatch, openml, class_is_categorical):
    rows = training_rows()
    expect(monkeypatch, poker, rows, numeric=tuple(range(11)))
    openml(bunch_of(rows, [10] if class_is_categorical else []))
    dataset = load("poker", data_dir=tmp_path, form="original", test_rows=10)
    assert dataset.train.targets.tolist() == [int(row[10]) for row in rows]
    assert "not the published test rows" in dataset.source


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda rows: rows[1:], "39 rows of 6 fields instead of 40 rows of 6"),
        (lambda rows: [row[:5] for row in rows], "40 rows of 5 fields instead of 40 rows of 6"),
        (lambda rows: [["1", *row[1:]] for row in rows], "in rows 1 to 40 the sum of field 1 is 40 instead of 78000"),
        (lambda rows: [["?", *row[1:]] for row in rows], "field 1 is not always a number"),
    ],
)
def test_something_else_than_was_published_is_refused_and_not_kept(tmp_path, monkeypatch, openml, change, problem):
    rows = airfoil_rows()
    expect(monkeypatch, airfoil, rows)
    openml(bunch_of(change(rows), []))
    with pytest.raises(DatasetNotFoundError) as caught:
        load("airfoil", data_dir=tmp_path)
    assert str(caught.value) == (
        f"airfoil: airfoil_self_noise.dat is not in {tmp_path / 'airfoil'}, and fetching the rows from OpenML failed"
        f" (the table with name airfoil_self_noise version 1 is not the published one: {problem}); either put"
        " airfoil_self_noise.dat there, or connect to the network and try again"
    )
    assert os.listdir(tmp_path) == []


def test_whatever_the_fetching_raises_is_one_line(tmp_path, monkeypatch, openml):
    openml(RuntimeError("several\nlines"))
    with pytest.raises(
        DatasetNotFoundError, match=r"^census: adult\.data and adult\.test are not in .*adult, "
    ) as caught:
        load("census", data_dir=tmp_path)
    assert "(data_id 1590: RuntimeError: several lines)" in str(caught.value)

    monkeypatch.setattr("jaxsize.data._files.openml._FETCH_SECONDS", 0.2)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", lambda **arguments: time.sleep(1))
    with pytest.raises(DatasetNotFoundError, match=r"poker: .*not done within 0 seconds"):
        load("poker", data_dir=tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch, openml):
    rows = airfoil_rows()
    expect(monkeypatch, airfoil, rows)
    openml(bunch_of(rows, []))
    (tmp_path / "airfoil").touch()
    with pytest.raises(DatasetNotFoundError, match=r"openml\.csv cannot be written"):
        load("airfoil", data_dir=tmp_path)


def test_a_kept_file_that_was_changed_is_refused(tmp_path, monkeypatch, openml):
    rows = airfoil_rows()
    expect(monkeypatch, airfoil, rows)
    openml(bunch_of(rows, []))
    load("airfoil", data_dir=tmp_path)
    kept = tmp_path / "airfoil" / "openml.csv"
    kept.write_text(kept.read_text(encoding="utf-8").split("\n", 1)[1], encoding="utf-8")
    with pytest.raises(ValueError, match=r"openml\.csv: 39 rows of 6 fields .* if you remove the file, it is fetched"):
        load("airfoil", data_dir=tmp_path)


def test_categories_are_told_apart_from_numbers_by_scikit_learn_itself(monkeypatch):
    """The ten rows of OpenML 1590 that scikit-learn ships for its own tests, through the real `fetch_openml`."""
    folder = Path(sklearn.__file__).parent / "datasets" / "tests" / "data" / "openml" / "id_1590"
    if not folder.is_dir():
        pytest.skip("this scikit-learn comes without its test data")
    kinds = {
        "json/data/features": "*jdf*",
        "json/data/qualities": "*jdq*",
        "json/data/": "*jd-*",
        "download": "*.arff*",
    }

    class Response(io.BytesIO):
        def info(self):
            return {}

    def urlopen(request):
        pattern = next(pattern for kind, pattern in kinds.items() if kind in request.full_url)
        (path,) = folder.glob(pattern)
        return Response(gzip.decompress(path.read_bytes()))

    monkeypatch.setattr(fetching, "urlopen", urlopen)
    monkeypatch.setattr(fetching, "_get_num_samples", lambda qualities: 10)
    rows = _as_text(_fetched_bunch({"data_id": 1590}))
    assert len(rows) == 10
    fifth = "18,?,103497,Some-college,10,Never-married,?,Own-child,White,Female,0,0,30,United-States,<=50K"
    assert ",".join(rows[4]) == fifth


@pytest.mark.parametrize(
    ("name", "look_up", "reason"),
    [
        ("airfoil", "raise socket.gaierror(-2, 'Name or service not known')", "Name or service not known"),
        ("poker", "raise socket.gaierror(-2, 'Name or service not known')", "Name or service not known"),
        ("census", "time.sleep(600)", "no answer within 6 seconds"),
    ],
)
def test_without_a_network_one_line_within_ten_seconds(tmp_path, name, look_up, reason):
    script = f"""
import socket, time
def getaddrinfo(*args, **kwargs):
    {look_up}
socket.getaddrinfo = getaddrinfo
from jaxsize.data import DatasetNotFoundError, load
try:
    load({name!r})
except DatasetNotFoundError as error:
    print(error)
"""
    places = {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path), "no_proxy": "*"}
    started = time.monotonic()
    command = [sys.executable, "-W", "error", "-c", script]
    environment = {**os.environ, **places}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert time.monotonic() - started < 10
    assert ran.stderr == ""
    (line,) = ran.stdout.splitlines()
    assert line.startswith(f"{name}: ")
    assert reason in line and "connect to the network" in line
    assert os.listdir(tmp_path) == []
