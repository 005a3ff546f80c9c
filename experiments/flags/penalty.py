"""The flags of the studies in which an open gate costs something."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from jaxsize.learners import cannot_close
from jaxsize.learners.sparsifier import SparsifierConfig
from jaxsize.networks import Network
from jaxsize.programs import Batch
from jaxsize.resizing import Shrinking
from jaxsize.studies import FormsFlags, Setup
from jaxsize.sweeps import penalty_sweep


@dataclasses.dataclass(frozen=True, kw_only=True)
class PenaltyFlags(FormsFlags):
    """The flags that the studies with a price on open gates share."""

    group: ClassVar[str] = "prices_and_rates"

    form: tuple[Literal["original", "corrected"], ...] = ("corrected",)
    """original: as the source of the study did it, data preparation included. corrected: with the flaws mended.
    Both are run side by side if both are named."""
    penalties: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4)
    """What an open gate adds to the loss; a network is trained for each number, and always one without a penalty."""
    epochs: int = 100
    """Passes over the training rows."""
    learning_rate: float = 1e-3
    """Learning rate of the weights, which Adam trains."""
    gate_learning_rate: float = 1e-3
    """Learning rate of the gates. Default: that of the weights."""
    weight_decay: float | None = None
    """Weight decay. In the corrected form it is decoupled (AdamW), never of gates, and .01 by default.
    In the original form it is L2, of gates too, and 0 by default."""
    shrink: bool = True
    """Dead units are removed while training, where that saves time; no result changes. --no-shrink keeps them."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        return super().defaults() | {"gate_learning_rate": self.learning_rate}

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("epochs")
        self.require_numbers("penalties", "learning_rate", "gate_learning_rate", low=1e-30)  # smaller ones round to 0
        self.require_numbers("weight_decay")

    def require_runs(self, settings: int = 1) -> None:
        """Refuse a study that is too large to end; see `Flags.require_runs`.

        Args:
            settings: runs with each penalty, and none, with each seed, in each form, on each data set.
        """
        super().require_runs(settings * (1 + len(self.penalties)))

    def rates(self, form: str) -> dict[str, float]:
        """Return the hyperparameters that all runs of a form share."""
        decay = (0.0 if form == "original" else 1e-2) if self.weight_decay is None else self.weight_decay
        return {
            "learning_rate": self.learning_rate,
            "weight_decay": decay,
            "gate_learning_rate": self.gate_learning_rate,
        }


def priced_batch(
    setup: Setup,
    fields: Mapping[str, Any],
    network: Network,
    sparsifier: SparsifierConfig,
    *,
    shrink: bool = True,
    **more: Any,
) -> Batch:
    """Make the batch of an arm that trains a gated network with every penalty and every seed.

    Args:
        setup: the data set and the form; its flags are `PenaltyFlags` with a method `config`.
        fields: those of `Setup.fields`, which name the arm.
        network: the network.
        sparsifier: what a gate is, and how gates and weights are moved.
        shrink: whether dead units are removed while training, where the flags allow that.
        **more: further arguments of `penalty_sweep`, in place of what the flags say.
    """
    flags = setup.flags
    shared: dict[str, Any] = {
        "penalties": flags.penalties,
        "num_seeds": flags.num_seeds,
        "hparams": flags.rates(setup.form),
        "shrinking": Shrinking() if flags.shrink and shrink else None,
    }
    return penalty_sweep(setup.dataset, network, sparsifier, **{**fields, **shared, **more})


def gates_that_stay(setup: Setup) -> list[str]:
    """Say that no gate which starts at 1 closes in the steps that are planned, for `Study.cautions`.

    The flags are `PenaltyFlags` with a method `config`, and Adam moves the gates.
    """
    flags, dataset = setup.flags, setup.dataset
    num_steps = flags.epochs * flags.config(dataset).steps_per_epoch(len(dataset.train))
    problem = cannot_close(num_steps, flags.gate_learning_rate, cure="raise --gate-learning-rate or --epochs")
    return [f"{dataset.name}: {problem}"] if problem else []
