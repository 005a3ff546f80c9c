"""What the epochs of a compress study cost in time, by one price list for compressed and static networks.

The price of an epoch is that of the units that live when it starts, as if dead units were removed after every epoch;
compressed networks pay for removing units as well. epoch_seconds.json in the results folder holds the prices, in
device-seconds.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax

from experiments.common.networks import compress_networks
from experiments.compress.flags import shared
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.learners.sparsifier import FORMS
from jaxsize.networks import num_mlp_multiply_adds
from jaxsize.programs import Batch
from jaxsize.results import Folder
from jaxsize.results.json_files import read_json, write_json
from jaxsize.studies import Learned, Setup
from jaxsize.sweeps import penalty_sweep
from jaxsize.training.epoch_times import EpochTimes, Widths, ladder, measure_epochs, runs_that_fill

FILE = "epoch_seconds.json"
LEARNING = ("compress", "group_lasso")
"""The arms whose networks lose units while they train."""
Row = Mapping[str, Any]


def multiply_adds(dataset: Dataset, widths: Sequence[int]) -> int:
    """Count the multiply-adds of one row through a network with hidden layers of these widths."""
    return num_mlp_multiply_adds((dataset.num_inputs, *widths, dataset.num_outputs))


def work(dataset: Dataset, path: Sequence[Row]) -> list[int]:
    """Count the multiply-adds of one row in each epoch of a run, by the units that live when the epoch starts."""
    first, before = path[0], path[0]["multiply_adds"]
    if first["arm"] in LEARNING:
        before = multiply_adds(dataset, [first["start_width"]] * first["depth"])
    return [before, *(row["multiply_adds"] for row in path[:-1])]


def has_gates(arm: str, form: str) -> bool:
    """Return whether the networks of an arm have gates: partners do in the original form only."""
    return arm in LEARNING or form == "original"


def measure_times(folder: Folder, setup: Setup, learned: Learned) -> None:
    """Measure the prices of a setup's epochs, and add them to epoch_seconds.json if they are new.

    Call it while nothing trains. Networks with and without gates are timed on separate ladders of widths. On an
    accelerator as many runs are timed together as were trained together.
    """
    if any(key[:3] == tuple(setup.where.values()) for key in read_prices(folder).tables):
        return
    batch, _ = learned[setup.name("compress")]
    parts = folder.checkpoints / batch.name / "parts.json"
    num_runs = runs_that_fill(read_json(parts)[0] if parts.exists() else len(batch))

    cost = functools.partial(multiply_adds, setup.dataset)

    def made(gated: bool, widths: Widths) -> Batch:
        network = compress_networks(setup.dataset, gated=gated)(widths)
        more = {"name": "timed", "label": {}, "penalties": (0.0,), "first_run": 0, "num_epochs": 1, **shared(setup)}
        return penalty_sweep(setup.dataset, network, FORMS[setup.form], num_seeds=num_runs, **more)

    occur = occurring(row for _, trained in learned.values() for row in trained.rows).items()
    kinds = [(gated, widths) for gated, shapes in occur for widths in ladder(shapes, cost)]
    seconds = measure_epochs([made(*kind) for kind in kinds])
    epochs = [
        {"gated": gated, "widths": widths, "multiply_adds": cost(widths), "seconds": of_one}
        for (gated, widths), of_one in zip(kinds, seconds, strict=True)
    ]
    table = {**setup.where, "devices": len(jax.devices()), "runs": num_runs, "epochs": epochs}
    write_json(folder.path / FILE, [*_tables(folder), table])


def occurring(rows: Iterable[Row]) -> dict[bool, set[Widths]]:
    """Return the widths of compressed networks and of those from scratch in these rows, by whether they have gates."""
    widths: dict[bool, set[Widths]] = {}
    for row in rows:
        if row["arm"] in ("compress", "from_scratch"):
            shapes = widths.setdefault(has_gates(row["arm"], row["form"]), set())
            if row["arm"] == "compress":
                shapes.add((row["start_width"],) * row["depth"])
            if min(row["live_units_per_layer"]) > 0:
                shapes.add(tuple(row["live_units_per_layer"]))
    return widths


@dataclasses.dataclass(frozen=True)
class Prices:
    """The price list of a study."""

    tables: Mapping[tuple[str, str, int, bool], EpochTimes]
    """The measured times, by data set, form, depth and whether the networks have gates."""
    devices: int = 1
    """The number of devices, all of which wait while units are removed."""
    removals: Sequence[Row] = ()
    """The events about removals of units."""

    def has(self, dataset: str, form: str, depth: int) -> bool:
        """Return whether the epochs of compressed networks and of those from scratch have prices."""
        kinds = {has_gates(arm, form) for arm in ("compress", "from_scratch")}
        return all((dataset, form, depth, gated) in self.tables for gated in kinds)

    def spent(self, path: Sequence[Row], multiply_adds: Sequence[float]) -> list[float]:
        """Return the price of each epoch of a run, in device-seconds.

        The time of a removal of units is divided among the runs that were trained together.

        Args:
            path: the rows of the run.
            multiply_adds: those of one row of data, in each epoch.

        Raises:
            InputError: when the list has no prices of such networks.
        """
        first = path[0]
        key = first["dataset"], first["form"], first["depth"], has_gates(first["arm"], first["form"])
        if key not in self.tables:
            raise InputError(f"{key}: no epoch has a price")
        seconds = self.tables[key].at(multiply_adds)
        for event in self.removals:
            if first["run"] in event["runs"] and event["epoch"] <= len(path):
                seconds[event["epoch"] - 1] += event["seconds"] * self.devices / len(event["runs"])
        return seconds.tolist()


def read_prices(folder: Folder) -> Prices:
    """Read the price list from epoch_seconds.json and the events; it has no tables if nothing was measured.

    Raises:
        InputError: when the file was edited so that it is no price list.
    """
    tables, devices = {}, 1
    try:
        for table in _tables(folder):
            devices = table["devices"]
            if min(row["multiply_adds"] * row["seconds"] * devices for row in table["epochs"]) <= 0:
                raise ValueError("prices are positive")
            for gated in sorted({bool(row["gated"]) for row in table["epochs"]}):
                rows = [row for row in table["epochs"] if row["gated"] == gated]
                columns = (tuple(row[name] for row in rows) for name in ("multiply_adds", "seconds"))
                tables[table["dataset"], table["form"], table["depth"], gated] = EpochTimes(*columns)
    except (LookupError, TypeError, ValueError):
        raise InputError(f"{folder.path / FILE} was edited; delete it, and --resume measures it anew") from None
    return Prices(tables, devices, [event for event in folder.events.read() if event["event"] == "compaction"])


def _tables(folder: Folder) -> list[dict[str, Any]]:
    path = folder.path / FILE
    return read_json(path)[:] if path.exists() else []  # what is no list cannot be sliced
