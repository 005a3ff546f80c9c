"""Where the time goes from a command to its first rows: the stages, timed in the process itself."""

import importlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

STAGES = (  # functions that are called once before the first row, in this order; timed from their call to their return
    ("data", "jaxsize.data", "load"),
    ("devices, memory", "jaxsize.studies.study", "require_room"),
    ("folder", "jaxsize.studies.study", "open_results"),
    ("programs: trace, lower, compile", "jaxsize.programs._program", "Program.__init__"),
    ("initial weights and state", "jaxsize.programs._program", "Program.start"),
    ("dispatch of the epoch", "jaxsize.programs._program", "Program.epoch"),
)


END = ("jaxsize.results.rows", "Rows.append")  # the function whose first call ends the stages


def trace(clock: float, path: str, arguments: Sequence[str]) -> None:
    """Run the study in this process, and write the seconds of every stage to `path` before any row is written.

    Args:
        clock: time.time() when the process was started.
        path: the JSON file to write.
        arguments: the command line of the study.
    """
    stages = {"interpreter": time.time() - clock}
    before = time.time()
    experiment = importlib.import_module("experiments.sparsifier.study")
    stages["imports"] = time.time() - before

    import jax

    def listen(event: str, duration_secs: float, **_: Any) -> None:
        name = {
            "/jax/core/compile/jaxpr_trace_duration": "of all: tracing",
            "/jax/core/compile/jaxpr_to_mlir_module_duration": "of all: lowering",
            "/jax/core/compile/backend_compile_duration": "of all: compiling or reading the cache, all threads",
        }.get(event)
        if name:
            stages[name] = stages.get(name, 0.0) + duration_secs

    jax.monitoring.register_event_duration_secs_listener(listen)

    def timed(label: str, function: Callable) -> Callable:
        def call(*positional: Any, **named: Any) -> Any:
            start = time.time()
            result = function(*positional, **named)
            stages[label] = stages.get(label, 0.0) + time.time() - start
            return result

        return call

    def ending(function: Callable) -> Callable:
        def call(*positional: Any, **named: Any) -> Any:
            known = sum(value for name, value in stages.items() if not name.startswith("of all"))
            if not os.path.exists(path):
                Path(path).write_text(json.dumps(stages | {"rest, training included": time.time() - clock - known}))
            return function(*positional, **named)

        return call

    for label, module, attribute in STAGES:
        _wrap(module, attribute, lambda function, label=label: timed(label, function))
    _wrap(*END, ending)
    experiment.COMMAND.main(list(arguments))


def _wrap(module: str, attribute: str, wrapper: Callable[[Callable], Callable]) -> None:
    *owners, name = attribute.split(".")
    owner: Any = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    setattr(owner, name, wrapper(getattr(owner, name)))
