"""Which arms a claim is judged on: every one alone, one beside others, two data sets, or two values of a setting."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jaxsize.studies.arms import Arms
from jaxsize.studies.views import ArmView

Choice = tuple[dict[str, Any], tuple[ArmView, ...]]
"""A label, and the arms that are judged together."""
Chooser = Callable[[Arms], Iterator[Choice]]
"""All arms of one form -> the choices of arms that a claim is judged on."""


def each(*patterns: str, by: Sequence[str] = ()) -> Chooser:
    """Choose every arm whose name fits one of some patterns, alone.

    Args:
        *patterns: names of arms, in which * stands for any text.
        by: settings; an arm is chosen once for every combination of their values that has runs.

    Returns:
        A function of all arms of a form, for `Claim.arms`. Its labels hold the data set, the arm where several fit,
        and the values of the settings.

    Example:
        >>> import tempfile
        >>> from jaxsize.results import Runs, open_folder
        >>> from jaxsize.studies import Arms, each
        >>> with tempfile.TemporaryDirectory() as path:
        ...     folder = open_folder(path, {})
        ...     names = ("batch", "run", "dataset", "arm", "seed", "slope")
        ...     lines = [("a", run, "digits", "fixed", 0, slope) for run, slope in enumerate((0.4, 1.0))]
        ...     folder.rows.of("a").append([dict(zip(names, line, strict=True)) for line in lines])
        ...     arms = Arms.of(Runs(folder, {"num_seeds": 1}))
        >>> [label for label, (arm,) in each("fixed", by=["slope"])(arms)]
        [{'dataset': 'digits', 'slope': 0.4}, {'dataset': 'digits', 'slope': 1.0}]
    """

    def choose(arms: Arms) -> Iterator[Choice]:
        for dataset in arms.datasets:
            found = arms.at(dataset=dataset).like(*patterns)
            for view in found:
                for label, part in _parts(view, by):
                    several = {"arm": view.name} if len(found) > 1 else {}
                    yield {"dataset": dataset} | several | label, (part,)

    return choose


def versus(one: str, *others: str, by: Sequence[str] = ()) -> Chooser:
    """Choose an arm beside every other whose name fits, on the same data set.

    Args:
        one: the name of the arm, in which * stands for any text: every arm that fits is chosen.
        *others: names of the others, in which * stands for any text.
        by: settings; the arms are compared at equal values of them.

    Returns:
        A function of all arms of a form, for `Claim.arms`. Its labels hold the data set, the arm where several fit, the
        name of the other arm as `against`, and the values of the settings.

    Example:
        >>> from jaxsize.studies import Arms, versus
        >>> list(versus("random", "fixed*")(Arms([])))
        []
    """

    def choose(arms: Arms) -> Iterator[Choice]:
        for dataset in arms.datasets:
            here = arms.at(dataset=dataset)
            chosen = here.like(one)
            for view, other in itertools.product(chosen, here.like(*others)):
                several = {"arm": view.name} if len(chosen) > 1 else {}
                for label, part in _parts(view, by):
                    if other.name != view.name and (twin := other.at(**label)).count:
                        yield {"dataset": dataset, **several, "against": other.name} | label, (part, twin)

    return choose


def across(arm: str, *, dataset: tuple[str, str], by: Sequence[str] = ()) -> Chooser:
    """Choose an arm on two data sets.

    Args:
        arm: the name of the arm.
        dataset: the names of the two data sets.
        by: settings; the data sets are compared at equal values of them.

    Returns:
        A function of all arms of a form, for `Claim.arms`. Its labels hold both data sets and the values of the
        settings.

    Example:
        >>> from jaxsize.studies import Arms, across
        >>> list(across("learned", dataset=("mnist", "fashion_mnist"))(Arms([])))
        []
    """

    def choose(arms: Arms) -> Iterator[Choice]:
        here, there = (arms.at(dataset=name) for name in dataset)
        if arm in here and arm in there:
            for label, part in _parts(here[arm], by):
                if (twin := there[arm].at(**label)).count:
                    yield {"dataset": " against ".join(dataset)} | label, (part, twin)

    return choose


def between(arm: str, *, values: str, by: Sequence[str] = ()) -> Chooser:
    """Choose every two values of a setting within an arm, the smaller one first.

    Args:
        arm: the name of the arm.
        values: the setting.
        by: further settings; the two are compared at equal values of them.

    Returns:
        A function of all arms of a form, for `Claim.arms`. Its labels hold the data set, both values under the name of
        the setting with an s, and the values of the further settings.

    Example:
        >>> from jaxsize.studies import Arms, between
        >>> list(between("learned", values="start_width", by=["penalty"])(Arms([])))
        []
    """

    def choose(arms: Arms) -> Iterator[Choice]:
        for view in arms.like(arm):
            for label, part in _parts(view, by):
                for pair in itertools.combinations(part.values(values), 2):
                    views = tuple(part.at(**{values: value}) for value in pair)
                    yield {"dataset": view.dataset} | label | {f"{values}s": list(pair)}, views

    return choose


def _parts(view: ArmView, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], ArmView]]:
    """Split an arm by the values of settings; an arm whose rows lack one of them has no parts."""
    if not by:
        yield {}, view
        return
    for values, part in view.by(*by).items():
        yield dict(zip(by, values if len(by) > 1 else (values,), strict=True)), part
