"""The price list of a compress study: of what widths it is made, and that it is made once."""

import jax
import pytest
from helpers.shrinking import TEACHER, folder_in

from experiments.compress import prices
from experiments.compress import study as compress
from experiments.compress.flags import CompressFlags, shared
from experiments.compress.prices import measure_times, occurring, read_prices
from jaxsize.results.json_files import read_json, write_json
from jaxsize.studies import Setup
from jaxsize.training import Trained

FLAGS = CompressFlags(dataset=("teacher",), num_seeds=1, depths=(1, 2), start_width=50, batch_size=16)


def row(arm, depth, *layers, form="corrected"):
    where = {"arm": arm, "dataset": "teacher", "form": form, "depth": depth}
    return {**where, "start_width": {1: 50, 2: 30}[depth], "live_units_per_layer": list(layers)}


ROWS = [
    row("compress", 1, 38),
    row("compress", 1, 6),
    row("compress", 1, 0),  # a collapse has no price
    row("group_lasso", 1, 2),
    row("from_scratch", 1, 6),
    row("from_scratch", 1, 9),
    row("half_widths", 1, 3),
    row("compress", 2, 20, 25),
    row("from_scratch", 2, 20, 25),
]


def test_gated_and_ungated_widths_are_those_that_are_compared():
    first = [row for row in ROWS if row["depth"] == 1]
    assert occurring(first) == {True: {(50,), (38,), (6,)}, False: {(6,), (9,)}}
    assert occurring(row | {"form": "original"} for row in first) == {True: {(50,), (38,), (6,), (9,)}}
    assert occurring(ROWS[-2:]) == {True: {(30, 30), (20, 25)}, False: {(20, 25)}}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A folder, and setups with what was learned; an epoch costs as many seconds as a run has parameters."""
    folder = folder_in(tmp_path / "r")
    folder.events.of("a").append(
        [{"event": "compaction", "runs": [0], "epoch": 1, "seconds": 3.0}, {"event": "programs"}]
    )
    measured = []

    def measure(batches):
        measured.append(batches)
        return [float(sum(leaf.size for leaf in jax.tree.leaves(batch.init(0)))) for batch in batches]

    monkeypatch.setattr(prices, "measure_epochs", measure)
    learned = []
    for depth in (1, 2):
        setup = Setup(flags=FLAGS, dataset=TEACHER, form="corrected", values={"depth": depth})
        rows = [row for row in ROWS if row["depth"] == depth]
        batch = next(compress.arms(setup))
        learned.append((setup, {batch.name: (batch, Trained(rows, []))}))
    return folder, learned, measured


def test_prices_are_measured_once_per_data_set_and_depth(study):
    folder, (one, two), measured = study
    assert read_prices(folder).tables == {}
    for learned in (one, one, two, one, two):
        measure_times(folder, *learned)
    assert len(measured) == 2
    devices = len(jax.devices())
    for batches in measured:
        assert {len(batch) for batch in batches} == {devices}
        assert all(batch.dataset is TEACHER and batch.config == shared(one[0])["config"] for batch in batches)
    tables = read_json(folder.path / "epoch_seconds.json")
    keys = ("dataset", "form", "depth", "devices")
    expected = [("teacher", "corrected", depth, devices) for depth in (1, 2)]
    assert [tuple(table[key] for key in keys) for table in tables] == expected
    ungated = [[entry["widths"], entry["seconds"]] for entry in tables[0]["epochs"] if not entry["gated"]]
    assert ungated == [[[6], 3 * 6 + 6 + 6 * 3 + 3], [[9], 3 * 9 + 9 + 9 * 3 + 3]]
    gated = {tuple(entry["widths"]): entry["multiply_adds"] for entry in tables[1]["epochs"] if entry["gated"]}
    assert gated == {(20, 25): 3 * 20 + 20 * 25 + 25 * 3, (30, 30): 3 * 30 + 30 * 30 + 30 * 3}


def test_an_edited_price_list_is_refused(study):
    folder, (one, _), _ = study
    measure_times(folder, *one)
    path = folder.path / "epoch_seconds.json"
    (table,) = read_json(path)
    entry = table["epochs"][0]
    wrong = [{}, 3, [3], [[]], [table | {"epochs": []}], [table | {"epochs": 3}], [table | {"epochs": [3]}]]
    wrong += [[{k: v for k, v in table.items() if k != key}] for key in table if key != "runs"]
    wrong += [
        [table | {"epochs": [{k: v for k, v in entry.items() if k != key}]}]
        for key in ("gated", "multiply_adds", "seconds")
    ]
    wrong += [[table | {"epochs": [entry | {"seconds": value}]}] for value in (None, "x", -1.0)]
    for value in wrong:
        write_json(path, value)
        with pytest.raises(ValueError, match=r"epoch_seconds\.json was edited; delete it") as caught:
            read_prices(folder)
        assert "\n" not in str(caught.value)


def test_another_program_reads_the_same_prices(study):
    folder, (one, _), _ = study
    measure_times(folder, *one)
    prices = read_prices(folder)
    assert prices.has("teacher", "corrected", 1) and not prices.has("teacher", "original", 1)
    assert not prices.has("teacher", "corrected", 2) and not prices.has("digits", "corrected", 1)
    alone = {**row("from_scratch", 1, 6), "run": 5}
    assert prices.spent([alone], [36]) == pytest.approx([45]) and prices.devices == len(jax.devices()) == 4
    compressed = [{**row("compress", 1, 6), "run": 0}] * 2
    assert prices.spent(compressed, [50 * 6, 36]) == pytest.approx(
        [3 * 50 + 50 + 50 + 50 * 3 + 3 + 3 * 4, 51]
    )  # removal
