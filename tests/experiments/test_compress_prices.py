"""The price list of a compress study: of what widths it is made, and that it is made once."""

import jax
import pytest
from helpers.shrinking import TEACHER, folder_in

from experiments.compress import prices
from experiments.compress import study as compress
from experiments.compress.flags import CompressFlags
from experiments.compress.prices import measure_times, occurring, read_prices
from jaxsize.results.json_files import read_json, write_json

FLAGS = CompressFlags(dataset=("teacher",), num_seeds=1, depth=(1, 2), start_width=(40, 30), batch_size=16)


def row(arm, depth, *layers, dataset="teacher"):
    start = {1: 40, 2: 30}[depth]
    return {"arm": arm, "dataset": dataset, "depth": depth, "start_width": start, "live_units_per_layer": list(layers)}


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
    row("compress", 1, 1, dataset="other"),
]


def test_gated_and_ungated_widths_are_those_that_are_compared():
    first = [row for row in ROWS if row["depth"] == 1 and row["dataset"] == "teacher"]
    assert occurring(FLAGS, first) == {True: {(40,), (38,), (6,)}, False: {(6,), (9,)}}
    original = CompressFlags(form="original")
    assert occurring(original, first) == {True: {(40,), (38,), (6,), (9,)}}
    assert occurring(FLAGS, ROWS[-3:-1]) == {True: {(30, 30), (20, 25)}, False: {(20, 25)}}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A folder with rows, and batches for them; an epoch costs as many seconds as a run has parameters."""
    folder = folder_in(tmp_path / "r")
    folder.rows.of("a").append(ROWS)
    folder.events.of("a").append(
        [{"event": "compaction", "runs": [0], "epoch": 1, "seconds": 3.0}, {"event": "programs"}]
    )
    measured = []

    def measure(batches):
        measured.append(batches)
        return [float(sum(leaf.size for leaf in jax.tree.leaves(batch.init(0)))) for batch in batches]

    monkeypatch.setattr(prices, "measure_epochs", measure)
    batches = [compress.learning_batches(FLAGS, TEACHER, depth, 0)[0] for depth in (1, 2)]
    return folder, batches, measured, compress.common(FLAGS, TEACHER)


def test_prices_are_measured_once_per_data_set_and_depth(study):
    folder, (one, two), measured, common = study
    assert read_prices(folder, "corrected").tables == {}
    for batch in (one, one, two, one, two):
        measure_times(FLAGS, batch, folder, **common)
    assert len(measured) == 2
    devices = len(jax.devices())
    for batches in measured:
        assert {len(batch) for batch in batches} == {devices}
        assert all(batch.dataset is TEACHER and batch.config == one.config for batch in batches)
    tables = read_json(folder.path / "epoch_seconds.json")
    assert [(table["dataset"], table["depth"], table["devices"]) for table in tables] == [
        ("teacher", 1, devices),
        ("teacher", 2, devices),
    ]
    ungated = [[entry["widths"], entry["seconds"]] for entry in tables[0]["epochs"] if not entry["gated"]]
    assert ungated == [[[6], 3 * 6 + 6 + 6 * 3 + 3], [[9], 3 * 9 + 9 + 9 * 3 + 3]]
    gated = {tuple(entry["widths"]): entry["multiply_adds"] for entry in tables[1]["epochs"] if entry["gated"]}
    assert gated == {(20, 25): 3 * 20 + 20 * 25 + 25 * 3, (30, 30): 3 * 30 + 30 * 30 + 30 * 3}


def test_an_edited_price_list_is_refused(study):
    folder, (one, _), _, common = study
    measure_times(FLAGS, one, folder, **common)
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
            read_prices(folder, "corrected")
        assert "\n" not in str(caught.value)


def test_another_program_reads_the_same_prices(study):
    folder, (one, _), _, common = study
    measure_times(FLAGS, one, folder, **common)
    prices = read_prices(folder, "corrected")
    assert prices.has("teacher", 1) and not prices.has("teacher", 2) and not prices.has("digits", 1)
    assert read_prices(folder, "original").has("teacher", 1)
    alone = {**row("from_scratch", 1, 6), "run": 5}
    assert prices.spent([alone], [36]) == pytest.approx([45]) and prices.devices == len(jax.devices()) == 4
    compressed = [{**row("compress", 1, 6), "run": 0}] * 2
    assert prices.spent(compressed, [40 * 6, 36]) == pytest.approx(
        [3 * 40 + 40 + 40 + 40 * 3 + 3 + 3 * 4, 51]
    )  # removal
