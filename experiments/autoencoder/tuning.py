"""The choice of a learning rate for every optimiser and structure, on validation rows; test rows choose nothing."""

import math
from collections.abc import Iterator

import numpy as np

from experiments.autoencoder.contestants import HESSIAN_FREE, batch_of, tried_settings, tuned_setting
from experiments.autoencoder.flags import AutoencoderFlags
from jaxsize.programs import Batch
from jaxsize.results import Folder
from jaxsize.studies import Learned, Setup

_HALF_DECADE = math.sqrt(10)


def contestants(flags: AutoencoderFlags) -> Iterator[tuple[str, str]]:
    """Yield every pair of a structure and an optimiser; deeper structures are trained by SGD alone."""
    for structure in flags.structures:
        for optimizer in flags.optimizers:
            yield structure, optimizer
    if "SGD" in flags.optimizers:
        yield from ((structure, "SGD") for structure in flags.deeper)


def tuning_arm(optimizer: str) -> str:
    """Name the arm of the runs with which the rate of an optimiser is chosen."""
    return f"tuning {optimizer}"


def first_tries(setup: Setup) -> Iterator[Batch]:
    """Make the batches that try what the flags name, with few seeds."""
    made: list[Batch] = []
    for structure, optimizer in contestants(setup.flags):
        values = tried_settings(setup.flags, optimizer)
        if len(values) == 1 and not setup.flags.beyond:
            continue  # there is no choice
        for some in [(value,) for value in values] if optimizer == HESSIAN_FREE else [values]:
            batch = batch_of(
                setup.after(*made), tuning_arm(optimizer), structure, optimizer, some, setup.flags.tuning_seeds
            )
            made.append(batch)
            yield batch


def validation_losses(learned: Learned, structure: str, optimizer: str) -> dict[float, float]:
    """Read off the median validation loss at the end by what was tried, ascending; infinite where runs diverged."""
    tuned, found = tuned_setting(optimizer), {}
    for batch, trained in learned.values():
        for row in trained.rows:
            is_its = (row["arm"], row.get("structure")) == (tuning_arm(optimizer), structure)
            if is_its and row["epoch"] == batch.num_epochs:
                loss = row["validation_loss"] if row["train_loss"] is not None else None
                found.setdefault(row[tuned], []).append(math.inf if loss is None else loss)
    return {value: float(np.median(found[value])) for value in sorted(found)}


def chosen(losses: dict[float, float]) -> float:
    """Choose the value of the least loss; of equal ones, as where all are infinite, the smallest.

    Args:
        losses: by value, ascending.
    """
    return min(losses, key=lambda value: (losses[value], value))


def beyond(losses: dict[float, float], most: int) -> float | None:
    """Return the next value to try, half a decade beyond an end, where the best one is there.

    Args:
        losses: by value, ascending.
        most: at most so many values are tried.

    Returns:
        None where the best value lies between others, or too many were tried.

    Example:
        >>> from experiments.autoencoder.tuning import beyond
        >>> beyond({0.01: 5.0, 0.03: 4.0}, 6), beyond({0.01: 4.0, 0.03: 5.0}, 6)
        (0.1, 0.003)
        >>> beyond({0.01: 5.0, 0.03: 4.0, 0.1: 4.5}, 6) is None
        True
    """
    values, best = list(losses), chosen(losses)
    if len(values) >= most or best not in (values[0], values[-1]):
        return None
    return half_decade(best, up=best == values[-1] and (len(values) > 1 or math.isfinite(losses[best])))


def half_decade(value: float, *, up: bool) -> float:
    """Multiply or divide by the root of 10, so that 1 and 3 follow each other.

    Example:
        >>> from experiments.autoencoder.tuning import half_decade
        >>> [half_decade(value, up=True) for value in (0.01, 0.03, 0.02)], half_decade(0.03, up=False)
        ([0.03, 0.1, 0.063], 0.01)
    """
    target = value * _HALF_DECADE if up else value / _HALF_DECADE
    power = 10.0 ** math.floor(math.log10(target) + 0.01)
    near = min((1, 3, 10), key=lambda leading: abs(math.log(target / (leading * power))))
    if abs(math.log(target / (near * power))) > 0.06:  # 3 stands for 3.16
        return float(f"{target:.2g}")
    return float(f"{near * power:.1g}")


def contests(setup: Setup, learned: Learned) -> Iterator[Batch]:
    """Make what is trained next: a try beyond an end, or all seeds at the value that is chosen; for `Study.rounds`."""
    flags, made = setup.flags, []
    done = {(batch.labels[0]["arm"], batch.labels[0].get("structure")) for batch, _ in learned.values()}
    for structure, optimizer in contestants(flags):
        if (optimizer, structure) in done:
            continue
        losses = validation_losses(learned, structure, optimizer)
        losses = losses or dict.fromkeys(tried_settings(flags, optimizer), 0.0)
        value = beyond(losses, len(tried_settings(flags, optimizer)) + flags.beyond)
        arm, seeds = tuning_arm(optimizer), flags.tuning_seeds
        if value is None:
            arm, seeds, value = optimizer, flags.num_seeds, chosen(losses)
        batch = batch_of(setup.after(*made), arm, structure, optimizer, (value,), seeds)
        made.append(batch)
        yield batch


def tuning_table(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, object]]]:
    """Make the table of what was tried: the median validation loss of every value, and which was chosen."""
    rows = []
    for structure, optimizer in contestants(setup.flags):
        losses = validation_losses(learned, structure, optimizer)
        for value, loss in losses.items():
            row = {"dataset": setup.dataset.name, "structure": structure, "optimizer": optimizer}
            row |= {"setting": tuned_setting(optimizer), "value": value}
            rows.append(
                row | {"validation_loss": loss if math.isfinite(loss) else None, "chosen": value == chosen(losses)}
            )
    return {f"Settings tried on validation rows, {setup.flags.tuning_seeds} seeds": rows}
