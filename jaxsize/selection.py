"""Networks that are kept while training goes on: of every run the one that scored best so far, or the last one of a run
that ends before others."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.tree_util import DictKey, keystr, tree_map_with_path

from jaxsize.team import FinalNetwork

Tree = Any


class Best:
    """Per run the network of its best epoch; of equal ones, the first.

    score: name of a column of the rows; more of an accuracy is better, less of anything else. None: no epoch is better
    than another, and only what is told to be kept is.
    """

    def __init__(self, score: str | None):
        self.score, self._sign = score, 1 if score is not None and score.endswith("accuracy") else -1
        self.networks: dict[int, FinalNetwork] = {}
        self._scores: dict[int, float] = {}

    def improves(self, run: int, row: Mapping[str, Any]) -> bool:
        """Whether the row's score is the best of the run so far. ValueError if there is no such column."""
        if self.score is None:
            return False
        if self.score not in row:
            found = ", ".join(name for name in row if name.endswith(("accuracy", "error")))
            raise ValueError(f"select: expected one of {found}, got {self.score!r}")
        score = self._sign * row[self.score]
        return bool(np.isfinite(score) and score > self._scores.get(run, -np.inf))

    def keep(self, run: int, row: Mapping[str, Any], network: FinalNetwork) -> None:
        self._scores[run] = np.nan if self.score is None else self._sign * row[self.score]
        params, survivors = jax.tree.map(np.array, (network.params, network.survivors))  # a view would keep all runs
        self.networks[run] = FinalNetwork(params, survivors, network.epoch)

    def on_host(self) -> dict[str, Tree]:
        """What a checkpoint holds of it."""
        return {
            f"best.{run}": {"score": np.float64(self._scores[run]), "epoch": np.int64(network.epoch)}
            | {"params": network.params, "survivors": network.survivors}
            for run, network in self.networks.items()
        }

    def template(self, runs: range, params: Tree, names: list[str], shapes: Mapping[str, tuple[int, ...]]) -> Tree:
        """Of `on_host`, with the shapes that a checkpoint says. params: shapes of a run's at full width; names: of its
        survivors."""

        def shape(*path: Any) -> tuple[int, ...]:
            return shapes.get(keystr(path), ())

        template = {}
        for key in (DictKey(f"best.{run}") for run in runs):
            if keystr((key, DictKey("score"))) in shapes:
                template[key.key] = {
                    "score": np.float64(0),
                    "epoch": np.int64(0),
                    "params": tree_map_with_path(
                        lambda path, leaf, key=key: jax.ShapeDtypeStruct(
                            shape(key, DictKey("params"), *path), leaf.dtype
                        ),
                        params,
                    ),
                    "survivors": {
                        name: np.zeros(shape(key, DictKey("survivors"), DictKey(name)), int) for name in names
                    },
                }
        return template

    def restore(self, saved: Mapping[str, Tree]) -> None:
        for key, found in saved.items():
            if key.startswith("best."):
                run = int(key.removeprefix("best."))
                self._scores[run] = float(found["score"])
                self.networks[run] = FinalNetwork(found["params"], found["survivors"], int(found["epoch"]))
