"""tables.py: `from_table` encodes as a scikit-learn pipeline made by hand, and a wrong table is one clear line."""

import gzip

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from jaxsize.data import from_table, load
from jaxsize.errors import InputError

NUMBERS, TEXTS = ("area", "year"), ("city", "heating")


def houses(num_rows=120, *, seed=0):
    """Houses with holes, as numbers (NaN where one is missing) and texts (empty where one is missing)."""
    rng = np.random.default_rng(seed)
    columns = {
        "area": rng.lognormal(4.5, 0.4, num_rows).round(1),
        "city": rng.choice(["Bonn", "Köln", "St. Ives"], num_rows),
        "year": rng.integers(1900, 2020, num_rows).astype(float),
        "heating": rng.choice(["gas", "oil, heavy"], num_rows),
    }
    price = columns["area"] * 3000 + rng.normal(0, 1000, num_rows)
    for name in ("area", "city"):
        columns[name][rng.random(num_rows) < 0.1] = np.nan if name == "area" else ""
    return columns | {"price": price.round(2), "sold": rng.choice(["yes", "no"], num_rows)}


def write(path, columns, *, missing=("", "NA", "nan", "?", "null"), delimiter=","):
    lines = [delimiter.join(columns)]
    for number, row in enumerate(zip(*columns.values(), strict=True)):
        texts = [missing[number % len(missing)] if value == "" or value != value else str(value) for value in row]
        lines.append(delimiter.join(f'"{text}"' if delimiter in text else text for text in texts))
    text = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.fixture
def table(tmp_path):
    """The path of the houses' table, and its columns with the splits that a column names."""
    columns = houses()
    columns["split"] = np.array((["train"] * 8 + ["val", "test"]) * 12)
    return write(tmp_path / "my houses.csv", columns), columns


def by_hand(columns):
    """The inputs of all rows, by a ColumnTransformer fitted on the training rows."""
    numbers = np.column_stack([columns[name] for name in NUMBERS])
    texts = np.column_stack([columns[name] for name in TEXTS])
    both = np.hstack([numbers.astype(object), texts.astype(object)])
    numeric = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    transformer = ColumnTransformer([("numbers", numeric, [0, 1]), ("texts", encoder, [2, 3])], sparse_threshold=0)
    return np.asarray(transformer.fit(both[columns["split"] == "train"]).transform(both), np.float32)


def matched(split, columns, part):
    """The encoding by hand of the rows of a split, and the split's, both in the order of prices."""
    rows = np.flatnonzero(columns["split"] == part)
    rows = rows[np.argsort(columns["price"][rows])]
    own = np.argsort(split.targets)
    np.testing.assert_array_equal(split.targets[own], columns["price"][rows].astype(np.float32))
    return by_hand(columns)[rows], split.inputs[own]


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_inputs_are_those_of_a_pipeline_by_hand(table, part):
    path, columns = table
    dataset = from_table(path, target="price", drop="sold")
    assert (dataset.name, dataset.task) == ("my_houses", "regression")
    expected, given = matched(getattr(dataset, part), columns, "val" if part == "validation" else part)
    np.testing.assert_allclose(given, expected, atol=1e-6)


def test_what_was_learned_of_the_training_rows_is_kept(table):
    path, columns = table
    info = from_table(path, target="price", drop=["sold"]).info
    train = columns["split"] == "train"
    assert info["input_names"][:3] == ["area", "year", "area missing"]
    assert info["input_names"][3:5] == ["city missing", "city=Bonn"]
    assert info["columns"]["area"]["fill"] == np.nanmedian(columns["area"][train])
    assert info["columns"]["heating"]["categories"] == ["gas", "oil, heavy"]
    np.testing.assert_allclose(info["target_std"], columns["price"][train].std(), rtol=1e-6)


def test_test_rows_select_nothing(table, tmp_path):
    path, columns = table
    other = {name: values.copy() for name, values in columns.items()}
    test = columns["split"] == "test"
    other["area"][test] *= 100
    other["city"][test] = "Rome"
    other["price"][test] += 1e6
    first = from_table(path, target="price", drop="sold")
    second = from_table(write(tmp_path / "other.csv", other), target="price", drop="sold")
    assert first.info == second.info
    assert first.fingerprint()["train"] == second.fingerprint()["train"]
    assert first.fingerprint()["test"] != second.fingerprint()["test"]
    cities = [column for column, name in enumerate(second.info["input_names"]) if name.startswith("city")]
    assert not second.test.inputs[:, cities].any()  # a city that no training row has


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ";"), ("a.csv.gz", ","), ("a.tsv", "\t"), ("a.csv", "\t")])
def test_tables_may_be_packed_and_their_fields_separated_otherwise(table, tmp_path, name, delimiter):
    path, columns = table
    other = write(tmp_path / name, columns, delimiter=delimiter)
    assert load(other, target="sold").fingerprint() == load(path, target="sold").fingerprint()


def test_without_a_column_of_splits_the_seed_draws_them(tmp_path):
    path = write(tmp_path / "houses.csv", houses())
    first, again, other = (from_table(path, target="sold", seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    assert (first.task, first.info["classes"]) == ("classification", ["no", "yes"])
    assert first.validation is not None
    assert (len(first.train), len(first.validation), len(first.test)) == (84, 18, 18)


@pytest.mark.parametrize(
    ("values", "task", "found"),
    [
        (np.arange(60) / 3, None, "regression"),
        (np.arange(60), None, "regression"),  # whole numbers, but too many for classes
        (np.arange(60) % 11, None, "classification"),
        (np.arange(60) % 11, "regression", "regression"),
        (np.arange(60) % 30, "classification", "classification"),
    ],
)
def test_the_task_is_read_off_the_target_or_told(tmp_path, values, task, found):
    path = write(tmp_path / "a.csv", {"x": np.arange(60) / 7, "y": values})
    dataset = from_table(path, target="y", task=task)
    assert dataset.task == found
    if found == "classification":
        assert dataset.info["classes"] == sorted(set(values.tolist()))  # 10 after 9


def test_weights_and_categories_that_look_like_numbers_are_told(tmp_path):
    columns = {"zip": np.arange(60) % 3 + 100, "w": np.arange(60) + 1.0, "y": np.arange(60) / 7}
    dataset = from_table(write(tmp_path / "a.csv", columns), target="y", categorical="zip", weights="w")
    assert dataset.info["input_names"] == ["zip=100", "zip=101", "zip=102"]
    assert dataset.train.weights is not None
    np.testing.assert_allclose(dataset.train.weights, dataset.train.targets * 7 + 1, rtol=1e-6)


GOOD = "x,y\n" + "".join(f"{n},{n / 4}\n" for n in range(30))
SPLIT = "x,y,split\n" + "".join(f"{n},{n / 4},train\n" for n in range(30))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "bad.csv: the file is empty"),
        (b"\xff\xfe", {}, "bad.csv: not a text file in UTF-8"),
        (b"a\0b", {}, "bad.csv: not a text file (it holds zero bytes)"),
        ("x,y\n", {}, "bad.csv: holds the names of columns, but no rows"),
        ("1,2\n3,4\n", {}, "bad.csv, line 1: expected the names of columns, got 1, 2"),
        ("x,x,y\n1,2,3\n", {}, "bad.csv, line 1: two columns are called 'x'"),
        (",y\n0,1\n", {}, "bad.csv, line 1: column 1 has no name (an index that pandas wrote?"),
        ("x,y\n1,2\n\n1,2,3\n", {}, "bad.csv, line 4: expected 2 fields, got 3"),
        ('x,y\n"1,2\n', {}, "bad.csv, line 2: unexpected end of data"),
        ("y\n1\n2\n", {}, "bad.csv: no column is left to predict 'y' from"),
        (GOOD, {"target": None}, "target: {path}: expected the column to predict, one of x, y"),
        (GOOD, {"target": "Y"}, "target: {path}: no column 'Y' (did you mean 'y'?); there are x, y"),
        (GOOD, {"target": "price"}, "no column 'price'; there are x, y"),
        (GOOD, {"drop": "z"}, "drop: {path}: no column 'z'; there are x, y"),
        (GOOD, {"split": "part"}, "split: {path}: no column 'part'; there are x, y"),
        (GOOD, {"task": "custom"}, "task: expected classification or regression for a table, got 'custom'"),
        (GOOD.replace("7,1.75", "7,nan"), {}, "bad.csv, line 9: y has no value; the target may have none missing"),
        (GOOD.replace("7,1.75", "7,inf"), {}, "bad.csv, line 9: y 'inf' is not finite"),
        (GOOD.replace("7,1.75", "7,two"), {}, "line 9: y 'two' is not a number, but 29 of 30 values are"),
        (GOOD.replace("7,1.75", "abc,1.75"), {}, "bad.csv, line 9: x 'abc' is not a number, but "),
        (GOOD.replace("7,1.75", "abc,1.75"), {"numeric": "x"}, "bad.csv, line 9: x 'abc' is not a number"),
        (GOOD.replace("7,1.75", "inf,1.75"), {}, "bad.csv, line 9: x 'inf' is not finite"),
        ("x,y\n" + "1,a\n" * 30, {}, "y: expected two classes or more, got one: 'a'"),
        ("x,y\n" + "".join(f"1,t{n}\n" for n in range(30)), {}, "y: 30 different values in 30 rows are no classes"),
        ("x,y\n" + "".join(f"t{n},{n / 4}\n" for n in range(40)), {}, "column 'x' has 28 different texts in 28 tr"),
        ("x,z,y\n" + "".join(f"{n},,{n / 4}\n" for n in range(30)), {}, "column 'z' has no value in the training rows"),
        ("x,y\n1,2.5\n2,3\n", {}, "2 rows are too few: none would be left to train"),
        (SPLIT, {}, "split: {path}: column 'split' names no test row"),
        (SPLIT.replace("7,1.75,train", "7,1.75,tst"), {}, "line 9: split must be train, validation or test, got 'tst'"),
    ],
)
def test_a_wrong_table_is_one_clear_line(tmp_path, text, options, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as caught:
        from_table(path, **({"target": "y"} | options))
    assert message.replace("{path}", str(path)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_one_clear_line(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        from_table(tmp_path / "none.csv", target="y")
    path = tmp_path / "a.csv.gz"
    path.write_text("x,y")
    with pytest.raises(InputError, match="is no gzip file"):
        from_table(path, target="y")
