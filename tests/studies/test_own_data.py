"""Studies of a user's own data: names, settings, defaults, and a table and arrays through the command of a study."""

import json

import numpy as np
import pytest

from experiments.common.scales import batch_size, penalty_scale
from experiments.input_scaling import InputScalingFlags
from experiments.random_slope import RandomSlopeFlags
from experiments.sparsifier import SparsifierFlags
from jaxsize.data import from_arrays
from jaxsize.errors import InputError
from jaxsize.studies import FormsFlags
from jaxsize.studies.opening import load_datasets


@pytest.fixture
def table(tmp_path):
    """A table of mixed types with holes."""
    rng = np.random.default_rng(0)
    lines = ["area,city,price,sold"]
    for number in range(80):
        area, city = rng.integers(40, 200), rng.choice(["Bonn", "Rome", ""])
        area = "" if number % 9 == 0 else area
        lines.append(f"{area},{city},{rng.normal(500, 40):.2f},{rng.choice(['yes', 'no'])}")
    path = tmp_path / "my houses.csv"
    path.write_text("\n".join(lines))
    return str(path)


def test_settings_and_folders_name_no_path_of_the_machine(table):
    flags = SparsifierFlags(dataset=("digits", table), target="price", drop=("sold",))
    assert flags.settings()["dataset"] == ("digits", "my houses.csv")
    assert (flags.settings()["target"], "task" in flags.settings()) == ("price", False)
    assert flags.folder("sparsifier").as_posix() == "results/sparsifier/digits+my_houses"
    assert "--dataset digits 'my houses.csv' --target price --drop sold" in flags.command("python -m x")


def test_settings_of_known_data_are_what_they_were():
    assert not {"target", "task", "categorical", "drop"} & SparsifierFlags().settings().keys()


def test_small_own_data_have_the_defaults_of_digits_and_large_ones_those_of_large_sets(table, tmp_path):
    large = tmp_path / "large.csv"
    large.write_text("x,y\n" + "1,2\n" * 5000)
    assert "epochs" not in SparsifierFlags(dataset=(table,)).defaults()
    assert "epochs" not in SparsifierFlags(dataset=("digits", table)).defaults()
    assert SparsifierFlags(dataset=(str(large),)).defaults()["epochs"] == 30
    assert SparsifierFlags(dataset=(table, "mnist")).defaults()["epochs"] == 30


def test_own_data_are_trained_in_the_corrected_form(table):
    for flags in (FormsFlags, RandomSlopeFlags, InputScalingFlags):
        assert flags(dataset=(table,)).defaults()["form"] == ("corrected",)
    with pytest.raises(InputError, match=r"form: own data have no original form, .* got original corrected"):
        FormsFlags(dataset=(table,)).check()
    FormsFlags(dataset=(table,), form=("corrected",)).check()


def test_penalties_of_own_data_do_not_depend_on_the_unit_of_their_targets():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(100, 2))
    for factor in (1, 1e5):
        dataset = from_arrays(inputs, factor * inputs[:, 0])
        assert penalty_scale(dataset, 32) == 1
        assert batch_size(dataset) == 32


def test_images_are_read_as_flat_rows(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(40 * 12, dtype=np.uint8).reshape(40, 2, 2, 3), y=np.arange(40) % 2)
    flags = SparsifierFlags(dataset=(str(tmp_path / "a.npz"),))
    (dataset,) = load_datasets(flags, "corrected")
    assert (dataset.row_shape, dataset.num_inputs, dataset.input_shape) == ((12,), 12, (2, 2, 3))
    assert dataset.input_scale is not None
    np.testing.assert_array_equal(dataset.input_scale[:3], dataset.input_scale[9:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "TABLE"], "--target: TABLE: expected the column to predict, one of area, city, price, sold"),
        (["--dataset", "TABLE", "--target", "prize"], "--target: TABLE: no column 'prize' (did you mean 'price'?)"),
        (["--dataset", "TABLE", "--target", "price", "--drop", "x"], "--drop: TABLE: no column 'x'"),
        (["--dataset", "TABLE", "--target", "price", "--form", "original"], "--form: own data have no original form"),
        (["--dataset", "none.csv", "--target", "price"], "none.csv: cannot be read (No such file"),
        (["--dataset", "no/folder"], "--dataset: no/folder does not exist; expected .csv"),
        (["--dataset", "digits", "--target", "price"], "--target: expected a table (.csv, .tsv) of your own in --data"),
        (["--dataset", "digits", "--task", "regression"], "--task: expected a table (.csv, .tsv) or arrays (.npz) of"),
        (["--dataset", "TABLE", "TABLE", "--target", "price"], "--dataset: expected different names"),
    ],
)
def test_wrong_own_data_are_one_line(command, table, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    words = [table if word == "TABLE" else word for word in arguments]
    status, printed, problem = command(*words, "--smoke", "--out", str(tmp_path / "out"))
    assert (status, printed) == (2, "")
    assert message.replace("TABLE", table) in problem
    assert problem.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_table_and_arrays_are_loaded_side_by_side(table, tmp_path):
    np.savez(tmp_path / "waves.npz", x=np.random.default_rng(0).normal(size=(60, 3)), y=np.arange(60) % 2)
    names = (table, str(tmp_path / "waves.npz"), "digits")
    loaded = load_datasets(SparsifierFlags(dataset=names, target="price", drop=("sold",)), "corrected")
    assert [dataset.name for dataset in loaded] == ["my_houses", "waves", "digits"]
    assert [dataset.task for dataset in loaded] == ["regression", "classification", "classification"]
    assert loaded[0].info["input_names"] == ["area", "area missing", "city missing", "city=Bonn", "city=Rome"]


def test_a_table_is_studied_and_its_folder_is_known_again(command, table, tmp_path):
    out = tmp_path / "out"
    arguments = ["--dataset", table, "--target", "price", "--smoke", "--epochs", "1", "--num-seeds", "1"]
    arguments += ["--penalties", "0.1", "--start-widths", "3", "--out", str(out)]
    assert command(*arguments)[0] == 0
    summary = json.loads((out / "summary.json").read_text())
    assert {row["dataset"] for row in summary["results"]} == {"my_houses"}
    assert summary["data"]["my_houses"]["source"] == "table my houses.csv"
    assert str(tmp_path) not in (out / "config.json").read_text()
    status, printed, _ = command(*arguments)
    assert status == 0
    assert "holds the finished run" in printed
