"""What the epochs of a compress study cost in time, by one price list for compressed and static networks.

An epoch costs what its live units cost when it starts, as if dead ones were removed after every epoch; compressed
networks pay for removing units as well. epoch_seconds.json in the results folder has the prices, in device-seconds.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax

from experiments.compress_flags import CompressFlags
from jaxsize.batches import Batch
from jaxsize.compress import compress_network
from jaxsize.epoch_times import EpochTimes, Widths, ladder, measure_epochs, runs_that_fill
from jaxsize.json_files import read_json, write_json
from jaxsize.networks import num_mlp_multiply_adds
from jaxsize.records import Folder
from jaxsize.sweeps import penalty_sweep

FILE = "epoch_seconds.json"
LEARNING = ("compress", "group_lasso")
Row = Mapping[str, Any]


def measure_times(flags: CompressFlags, batch: Batch, folder: Folder, **common: Any) -> None:
    """Adds the prices of a batch of compressed networks and their partners to epoch_seconds.json, if it has none.

    To be called while nothing trains. Gated and ungated networks have ladders of their own. On an accelerator as many
    runs are timed together as were trained together.
    """
    dataset, (name, depth) = batch.dataset, (batch.labels[0][key] for key in ("dataset", "depth"))
    tables = _tables(folder)
    if any((table["dataset"], table["depth"]) == (name, depth) for table in tables):
        return
    parts = folder.checkpoints / batch.name / "parts.json"
    num_runs = runs_that_fill(read_json(parts)[0] if parts.exists() else len(batch))

    def cost(widths: Widths) -> int:
        return num_mlp_multiply_adds((dataset.num_inputs, *widths, dataset.num_outputs))

    def made(gated: bool, widths: Widths) -> Batch:
        network = compress_network((dataset.num_inputs, *widths, dataset.num_outputs), gated=gated)
        more = {"name": "timed", "label": {}, "penalties": (0.0,), "first_run": 0, "num_epochs": 1, **common}
        return penalty_sweep(dataset, network, widths, flags.config(), num_seeds=num_runs, **more)

    found = occurring(flags, [row for row in folder.rows.read() if (row["dataset"], row["depth"]) == (name, depth)])
    kinds = [(gated, widths) for gated, shapes in found.items() for widths in ladder(shapes, cost)]
    seconds = measure_epochs([made(*kind) for kind in kinds])
    epochs = [
        {"gated": gated, "widths": widths, "multiply_adds": cost(widths), "seconds": of_one}
        for (gated, widths), of_one in zip(kinds, seconds, strict=True)
    ]
    table = {"dataset": name, "depth": depth, "devices": len(jax.devices()), "runs": num_runs, "epochs": epochs}
    write_json(folder.path / FILE, [*tables, table])


def occurring(flags: CompressFlags, rows: Iterable[Row]) -> dict[bool, set[Widths]]:
    """By whether they have gates: the widths of the compressed networks and of those from scratch in these rows."""
    found: dict[bool, set[Widths]] = {}
    for row in rows:
        if row["arm"] in ("compress", "from_scratch"):
            shapes = found.setdefault(has_gates(row["arm"], flags.form), set())
            if row["arm"] == "compress":
                shapes.add((row["start_width"],) * row["depth"])
            if min(row["live_units_per_layer"]) > 0:
                shapes.add(tuple(row["live_units_per_layer"]))
    return found


def has_gates(arm: str, form: str) -> bool:
    return arm in LEARNING or form == "original"


def _tables(folder: Folder) -> list[dict[str, Any]]:
    path = folder.path / FILE
    return read_json(path) if path.exists() else []


@dataclasses.dataclass(frozen=True)
class Prices:
    """The price list of a study."""

    tables: Mapping[tuple[str, int, bool], EpochTimes]
    """By data set, depth and whether the networks have gates."""
    devices: int = 1
    """All of them wait while units are removed."""
    removals: Sequence[Row] = ()
    """The events of it."""
    form: str = "corrected"

    def has(self, dataset: str, depth: int) -> bool:
        return all((dataset, depth, has_gates(arm, self.form)) in self.tables for arm in ("compress", "from_scratch"))

    def spent(self, path: Sequence[Row], multiply_adds: Sequence[float]) -> list[float]:
        """Device-seconds of the epochs of a run, given the multiply-adds of a row in each. What removing units took is
        divided among the runs of the batch."""
        first = path[0]
        gated = has_gates(first["arm"], self.form)
        seconds = self.tables[first["dataset"], first["depth"], gated].at(multiply_adds)
        for event in self.removals:
            if first["run"] in event["runs"] and event["epoch"] <= len(path):
                seconds[event["epoch"] - 1] += event["seconds"] * self.devices / len(event["runs"])
        return seconds.tolist()


def read_prices(folder: Folder, form: str) -> Prices:
    """What epoch_seconds.json and events.jsonl hold; no tables if nothing was measured."""
    tables, devices = {}, 1
    for table in _tables(folder):
        devices = table["devices"]
        for gated in {row["gated"] for row in table["epochs"]}:
            rows = [row for row in table["epochs"] if row["gated"] == gated]
            times = EpochTimes(*(tuple(row[key] for row in rows) for key in ("multiply_adds", "seconds")))
            tables[table["dataset"], table["depth"], gated] = times
    removals = [event for event in folder.events.read() if event["event"] == "compaction"]
    return Prices(tables, devices, removals, form)
