"""Which line of a user's code an equation of a jaxpr comes from."""

import os
import sys
import sysconfig

import jax
from jax.extend.core import JaxprEqn

_PATHS = [sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")] + [
    sys.modules["jaxsize"].__path__[0]
]
_JAX = os.path.dirname(jax.__file__) + os.sep
_LIBRARIES = tuple(path + os.sep for path in _PATHS)


def line_of(eqn: JaxprEqn, caller: str) -> str:
    """Find the line of the user's code that an equation comes from.

    Args:
        eqn: the equation.
        caller: the line that calls the jaxpr of the equation, or empty. It is needed where JAX has traced a function
            before: the equations of such a function do not know who calls it.

    Returns:
        The innermost line of code that is neither jaxsize's nor that of an installed package, as `model.py:12`;
        otherwise the caller's line; otherwise the innermost line outside JAX; empty where there is none.
    """
    traceback = eqn.source_info.traceback
    frames = [] if traceback is None else [frame for frame in traceback.frames if not frame.file_name.startswith("<")]
    user_frames = [frame for frame in frames if not frame.file_name.startswith(_LIBRARIES)]
    if not user_frames and caller:
        return caller
    frames = user_frames or [frame for frame in frames if not frame.file_name.startswith(_JAX)]
    return f"{os.path.basename(frames[0].file_name)}:{frames[0].line_num}" if frames else ""
