"""The error for wrong input: one line that says what was expected and what was given."""

import importlib.util
import os
import sys
from typing import Any, get_args, get_type_hints


class InputError(ValueError):
    """An argument, a setting, a flag or a file that is not as it has to be, described in one line.

    jaxsize raises this type for wrong input, so that a program can tell wrong input from a bug. A command prints the
    error, with the flag in place of the field, and exits with status 2.

    Args:
        problem: what was expected and what was given instead.
        field: the argument, field or flag with the wrong value; empty where `problem` names it already.

    Example:
        >>> str(InputError("expected at least 1, got 0", field="num_seeds"))
        'num_seeds: expected at least 1, got 0'
    """

    def __init__(self, problem: str, *, field: str = ""):
        super().__init__(f"{field}: {problem}" if field else problem)
        self.problem, self.field = problem, field

    def __reduce__(self) -> tuple:  # exceptions are copied from process to process by their positional arguments
        return _input_error, (type(self), self.problem, self.field)


def _input_error(kind: type[InputError], problem: str, field: str) -> InputError:
    return kind(problem, field=field)


def require_choice(config: Any, *names: str) -> None:
    """Check that each named field of a dataclass holds one of the values of its Literal type.

    Args:
        config: an instance of a dataclass.
        names: names of fields whose type is a `Literal` of strings.

    Raises:
        InputError: when a field holds another value; the error names the field, its allowed values and its value.
    """
    types = get_type_hints(type(config))
    for name in names:
        if getattr(config, name) not in get_args(types[name]):
            known = ", ".join(get_args(types[name]))
            raise InputError(f"expected one of {known}, got {getattr(config, name)!r}", field=name)


def require_path(value: Any, field: str) -> None:
    """Check that a value can be a path for every library that gets it.

    Raises:
        InputError: when it is neither text nor a path, or holds bytes that the encoding of file names here does not
            have (Python with LC_ALL=C and without its UTF-8 mode): Orbax cannot write there.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise InputError(f"expected a path, got {value!r:.80}", field=field)
    try:
        os.fspath(value).encode()
    except UnicodeEncodeError:
        problem = (
            f"expected a path in the encoding of file names here, {sys.getfilesystemencoding()}, got {value!r:.80}"
        )
        raise InputError(f"{problem}; PYTHONUTF8=1 makes it UTF-8", field=field) from None


def error_text(error: Exception) -> str:
    """Tell the type and the message of somebody else's error in one line of limited length.

    Args:
        error: what their function, or a library, raised.

    Example:
        >>> error_text(KeyError("kernel"))
        "KeyError: 'kernel'"
    """
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message':.160}"


def require_package(package: str, extra: str) -> None:
    """Refuse to go on without a package that only an extra of jaxsize brings.

    Args:
        package: its import name, such as "matplotlib".
        extra: the extra that installs it, such as "plots".

    Raises:
        InputError: when it is not installed, with the command that installs it.

    Example:
        >>> require_package("jax", "studies")
        >>> require_package("no_such_package", "plots")
        Traceback (most recent call last):
        jaxsize.errors.InputError: no_such_package is not installed: pip install "jaxsize[plots]" brings it
    """
    if importlib.util.find_spec(package) is None:
        raise InputError(f'{package} is not installed: pip install "jaxsize[{extra}]" brings it')
