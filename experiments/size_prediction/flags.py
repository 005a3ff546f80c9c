"""The flags of the study of predicted sizes, and its presets."""

import dataclasses
from typing import Any, ClassVar, Literal

from jaxsize.errors import InputError
from jaxsize.studies import DatasetFlags, TrainingFlags, listing

SINGLE = ("teacher_width", "teacher_task")
"""Flags of all studies that others stand for here."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SizePredictionFlags(DatasetFlags, TrainingFlags):
    """Does anything that is read off one trained layer predict how many units the layer needs?"""

    group: ClassVar[str] = "layers_and_measures"
    large: ClassVar = {}

    dataset: tuple[str, ...] = ("teacher",)
    """One or several data sets, trained one after the other. teacher: labels made by many random networks of each of
    the widths of --teacher-width, on the same inputs; the width that is needed is known. All others have their own
    targets, and what is needed is read off the accuracy curve: digits, mnist, ... and paths of your own, as in all
    studies."""
    teacher_widths: tuple[int, ...] = (4, 8, 16, 32)
    """Hidden units of the teachers, in the place of --teacher-width; two numbers or more, ascending."""
    teacher_tasks: tuple[Literal["classification", "regression"], ...] = ("regression", "classification")
    """In the place of --teacher-task. regression: students are given the output of a teacher. classification: they are
    given the number of the largest of its 10 outputs."""
    teachers: int = 6
    """Random teachers of each width."""
    teacher_inputs: int = 40
    """Numbers that a teacher reads. Its units look into directions at right angles to each other as far as there are as
    many inputs: below the widest teacher, components of a layer are fewer than units."""
    teacher_rows: int = 10_000
    """Training rows, and 4 for every validation and for every test row."""
    num_seeds: int = 3
    """Students of each width for every teacher, with seeds 0, 1, ... On data sets without teachers, networks of each
    width; there 6 is the least that has intervals."""
    epochs: int = 30
    """Passes over the training rows."""
    batch_size: int = 128
    """Rows per step."""
    widths: tuple[int, ...] = (4, 8, 16, 32, 64)
    """Hidden units of the students; two numbers or more, ascending. Measures are compared at the widest, which should
    be wider than any teacher."""
    learning_rate: float = 3e-3
    """Learning rate of Adam, of gates as well."""
    price: float = 0.03
    """What an open gate adds to the loss of the sparsifier, whose learned size is one of the truths. It starts as wide
    as the widest student."""
    measured_rows: int = 2000
    """The training rows, the first ones, on which layers are measured, and test rows on which outputs made of few
    components are scored."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("teachers", "teacher_inputs", "teacher_widths", "measured_rows")
        self.require_whole("teacher_rows", low=8)
        self.require_whole("widths", low=2)
        self.require_different("teacher_tasks")
        plain = DatasetFlags()
        for name in SINGLE:
            if getattr(self, name) != getattr(plain, name):
                raise InputError(f"expected --{name.replace('_', '-')}s, as this study has many teachers", field=name)
        for name in ("teacher_widths", "widths"):
            values = getattr(self, name)
            if len(values) < 2 or list(values) != sorted(values):
                raise InputError(f"expected two numbers or more, ascending, got {listing(values)}", field=name)
        self.require_numbers("learning_rate", "price", above=True)
        tasks = len(self.teacher_widths) * self.teachers * len(self.teacher_tasks) if "teacher" in self.dataset else 1
        self.require_runs((len(self.widths) + 1) * tasks)

    def settings(self) -> dict[str, Any]:
        """Return the fields that determine the results; see `Flags.settings`."""
        settings = super().settings()
        several = "teacher" in self.dataset
        unused = [name for name in settings if name.startswith("teacher") and (name in SINGLE or not several)]
        return {name: value for name, value in settings.items() if name not in unused}


PRESETS = {
    "smoke": {
        "num_seeds": 2,
        "epochs": 2,
        "teachers": 2,
        "teacher_widths": (2, 4),
        "teacher_tasks": ("regression",),
        "teacher_inputs": 5,
        "teacher_rows": 400,
        "widths": (4, 8),
        "batch_size": 32,
        "measured_rows": 100,
    },
    "full": {
        "num_seeds": 6,
        "teachers": 12,
        "teacher_rows": 40_000,
        "epochs": 100,
        "widths": (2, 4, 8, 16, 32, 64, 128),
    },
}
