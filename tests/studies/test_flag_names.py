"""One dictionary of flags: a flag of one name has one type in all studies, and plural names take several values."""

import dataclasses
import importlib
import pkgutil
import typing

import pytest

import experiments

SHARED = ("book", "common", "flags")  # no studies
STUDIES = [module.name for module in pkgutil.iter_modules(experiments.__path__) if module.name not in SHARED]


def types_of(study):
    flags = importlib.import_module(f"experiments.{study}").COMMAND.flags
    hints = typing.get_type_hints(flags)
    return {field.name: hints[field.name] for field in dataclasses.fields(flags)}


def kind(of_type):
    """What the command line reads: text out of choices counts as text, a default that depends on others as its type."""
    arguments = [argument for argument in typing.get_args(of_type) if argument is not type(None)]
    if typing.get_origin(of_type) is typing.Literal:
        return "text"
    if typing.get_origin(of_type) is tuple:
        return f"several of {kind(arguments[0])}"
    return kind(arguments[0]) if arguments else {str: "text"}.get(of_type, of_type.__name__)


def test_there_are_studies():
    assert {"sparsifier", "compress", "flexible", "random_slope"} <= set(STUDIES)


def test_a_flag_has_the_same_type_in_all_studies():
    kinds = {}
    for study in STUDIES:
        for name, of_type in types_of(study).items():
            kinds.setdefault(name, {}).setdefault(kind(of_type), []).append(study)
    assert not {name: where for name, where in kinds.items() if len(where) > 1}


@pytest.mark.parametrize(
    ("one", "several"),
    [
        ("slope", "slopes"),
        ("weight_decay", "weight_decays"),
        ("start_size", "start_sizes"),
        ("start_width", "start_widths"),
        ("depth", "depths"),
        ("penalty", "penalties"),
    ],
)
def test_one_value_is_singular_several_are_plural(one, several):
    every = [types_of(study).items() for study in STUDIES]
    kinds = {name: kind(of_type) for types in every for name, of_type in types}
    assert one in kinds or several in kinds
    assert not kinds.get(one, "").startswith("several")
    assert kinds.get(several, "several").startswith("several")
