"""What --help prints: the flags in groups, with the defaults that will really be used."""

import ast
import dataclasses
import inspect
import textwrap
from typing import Annotated, Any, NoReturn, get_type_hints

from jaxsize.errors import require_package
from jaxsize.studies.flags import Flags


def print_help(default: Flags, program: str) -> NoReturn:
    """Print the flags of a study, those of each class of flags in a group of its own, and exit with status 0.

    Args:
        default: the flags that will be used where nothing else is given.
        program: how the study is started.
    """
    require_package("tyro", "studies")
    import tyro

    kinds = [kind for kind in type(default).__mro__ if issubclass(kind, Flags)]
    fields_of_study = {field.name for field in dataclasses.fields(default)}
    hints, groups = get_type_hints(type(default)), []
    seen: set[str] = set()
    for kind in kinds:  # a flag that a study explains anew is one of its own
        texts = _texts(kind)
        names = [name for name in texts if name in fields_of_study - seen]
        seen |= set(names)
        fields = [
            (
                name,
                Annotated[hints[name], tyro.conf.arg(help=texts[name])],
                dataclasses.field(default=getattr(default, name)),
            )
            for name in names
        ]
        if names:
            title = "study" if kind is kinds[0] else kind.__dict__.get("group", kind.__name__)
            group: Any = dataclasses.make_dataclass(title, fields, frozen=True)
            groups.append((title, group, dataclasses.field(default_factory=group)))
    options = dataclasses.make_dataclass("options", groups)
    tyro.cli(
        options,
        prog=program,
        description=inspect.getdoc(type(default)),
        args=["--help"],
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    )
    raise AssertionError("--help ends the process")


def _texts(kind: type) -> dict[str, str]:
    """The docstrings of the fields that a class defines itself, by name."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    texts = {}
    for field, after in zip(definition.body, [*definition.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = after.value if isinstance(after, ast.Expr) else None
            texts[field.target.id] = inspect.cleandoc(str(text.value)) if isinstance(text, ast.Constant) else ""
    return texts
