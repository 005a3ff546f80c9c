"""Networks that are kept while training goes on: of every run the network that scored best so far, or the last network
of a run that ends before others."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.tree_util import DictKey, keystr, tree_map_with_path

from jaxsize.errors import InputError
from jaxsize.results.scores import score_columns, score_sign
from jaxsize.training._team import FinalNetwork
from jaxsize.trees import Tree


class Best:
    """The network of each run's best epoch; of epochs that score the same, the first one counts.

    Args:
        score: name of the column of the rows that decides; see `results.scores.score_sign`. None: no epoch is better
            than another, and only networks given to `keep` are kept.
    """

    def __init__(self, score: str | None):
        self.score, self._sign = score, 1 if score is None else score_sign(score)
        self.networks: dict[int, FinalNetwork] = {}
        self._scores: dict[int, float] = {}

    def improves(self, run: int, row: Mapping[str, Any]) -> bool:
        """Tell whether a row's score is better than that of the network kept of the run.

        Args:
            run: index of the run within its batch.
            row: the run's row of an epoch.

        Returns:
            False where the score is not finite, or where no score decides.

        Raises:
            InputError: when the row has no such column; the scores and losses that it has are named.
        """
        if self.score is None:
            return False
        if self.score not in row:
            splits = [name.removesuffix("_loss") for name in row if name.endswith("_loss")]
            known = ", ".join(name for split in splits for name in (*score_columns(row, split), f"{split}_loss"))
            raise InputError(f"expected one of {known}, got {self.score!r}", field="select")
        score = self._sign * row[self.score]
        return bool(np.isfinite(score) and score > self._scores.get(run, -np.inf))

    def keep(self, run: int, row: Mapping[str, Any], network: FinalNetwork) -> None:
        """Keep a copy of a run's network, in place of the one that was kept of it.

        Args:
            run: index of the run within its batch.
            row: the run's row of the epoch, with the score.
            network: the run's network after the epoch.
        """
        self._scores[run] = np.nan if self.score is None else self._sign * row[self.score]
        params, survivors = jax.tree.map(np.array, (network.params, network.survivors))  # a view would keep all runs
        self.networks[run] = FinalNetwork(params, survivors, network.epoch)

    def on_host(self) -> dict[str, Tree]:
        """Collect what a checkpoint holds of the networks kept, each below the key `best.RUN`."""
        return {
            f"best.{run}": {"score": np.float64(self._scores[run]), "epoch": np.int64(network.epoch)}
            | {"params": network.params, "survivors": network.survivors}
            for run, network in self.networks.items()
        }

    def template(self, runs: range, params: Tree, names: list[str], shapes: Mapping[str, tuple[int, ...]]) -> Tree:
        """Make a template for `checkpoints.restore` with the structure of `on_host()`.

        Args:
            runs: indices of all runs that the checkpoint may hold a network of.
            params: shapes and dtypes of a run's parameters at full width.
            names: the unit groups that survivors are recorded of.
            shapes: shape of every leaf of the checkpoint, by its path, as `checkpoints.shapes` returns them. They say
                which runs there are, and the shapes of their networks.
        """

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
        """Take over the networks of a checkpoint.

        Args:
            saved: the whole checkpoint; what is not of `on_host()` is left alone.
        """
        for key, entry in saved.items():
            if key.startswith("best."):
                run = int(key.removeprefix("best."))
                self._scores[run] = float(entry["score"])
                self.networks[run] = FinalNetwork(entry["params"], entry["survivors"], int(entry["epoch"]))
