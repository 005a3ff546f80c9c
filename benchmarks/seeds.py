"""Training many seeds at once against training them in other ways: an epoch of the sparsifier, 784-500-10.

    python -m benchmarks.seeds                    on a CPU: five ways to train 11 runs
    python -m benchmarks.seeds --runs 30          on a GPU: 30 runs against 1 run

Promised on 4 cores: at least 2.5 times the seed-epochs per second of PyTorch's eager loop over seeds, 1.7 times those
of `torch.func.vmap`, and 1.4 times those of a JAX loop over seeds on one device with all threads. The strongest
set-up of PyTorch, one single-threaded process per core, is measured beside them. Promised on a GPU: 30 runs take at
most twice the time of 1.

Every contender lives in processes of its own (JAX and PyTorch slow each other down in one), which are stopped while
it is not its turn: not even a spinning thread of theirs runs. All start with the same weights and train the first
epoch with the same order of rows; what they reach is compared before anything is timed. From then on each draws its
own orders and goes on training.
"""

import dataclasses
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Literal

import numpy as np
import tyro

from benchmarks._timing import Promise, device_name, machine, medians, num_cores, report, time_in_turns
from jaxsize.tables import format_table

# JAX and PyTorch are imported by the functions that need them: a process has one of the two.

WIDTHS = (784, 500, 10)
LEARNING_RATE, PENALTY, WEIGHT_DECAY = 1e-3, 1e-1, 1e-2
SCALE, SHIFT = 1 / 128, -1.0  # exact in float32, so that all contenders see the same inputs
SPEED_UPS = {"PyTorch, seed by seed": 2.5, "torch.func.vmap": 1.7, "JAX, seed by seed": 1.4}
MOST_TIMES_ONE_RUN = 2.0
TOLERANCE = 1e-3
"""Largest difference from jaxsize after the first epoch: of the losses, relative, and of the weights, relative to how
far they were moved (root mean square). Float32 with sums in another order; Adam's first steps have the size of the
learning rate wherever a gradient is not 0, however small, and carry its rounding into the weights."""

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Flags:
    """How many runs, and how often they are timed."""

    runs: int = 11
    """Seeds that train."""
    repetitions: int = 7
    """Timed epochs of each contender; their median counts."""
    batch_size: int = 128
    """Rows per step."""
    steps: int = 100
    """Steps per epoch."""
    against: Literal["contenders", "one_run"] | None = None
    """What is measured beside the batch of runs. Default: one_run on a GPU, contenders elsewhere."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is trained: the rows, and for each of S seeds the initial weights and the order of rows in epoch 0."""

    seeds: np.ndarray  # [S] uint32
    params: Any  # jaxsize's tree, [S, ...]
    orders: np.ndarray  # [S, N] int32
    inputs: np.ndarray  # [N, 784] uint8
    targets: np.ndarray  # [N] int32
    batch_size: int

    def only(self, runs: Sequence[int]) -> "Problem":
        import jax

        index = np.asarray(runs)
        seeds, params, orders = jax.tree.map(lambda leaf: leaf[index], (self.seeds, self.params, self.orders))
        return dataclasses.replace(self, seeds=seeds, params=params, orders=orders)


def make_problem(flags: Flags) -> Problem:
    import jax

    from jaxsize.networks import mlp
    from jaxsize.runs import stack
    from jaxsize.training import row_order

    rng = np.random.default_rng(0)
    num_rows = flags.steps * flags.batch_size
    seeds = np.arange(flags.runs, dtype=np.uint32)
    order = jax.jit(row_order, static_argnums=2)
    network = mlp(WIDTHS, liveness="uniform")  # some gates close within the first epoch
    return Problem(
        seeds=seeds,
        params=stack([network.init(int(seed)) for seed in seeds]),
        orders=np.stack([order(seed, np.int32(0), num_rows) for seed in seeds]),
        inputs=rng.integers(0, 256, (num_rows, WIDTHS[0]), np.uint8),
        targets=rng.integers(0, WIDTHS[-1], num_rows, np.int32),
        batch_size=flags.batch_size,
    )


# --- Contenders: `epoch(first)` trains one epoch, the first one with the orders of the problem, and waits for the end;
# `result()` is the loss of every step of the last epoch and the weights, all [S, ...].


def _jax_parts(problem: Problem) -> tuple[Callable, Callable, Any, Any]:
    """start(run, hparams, shared) and epoch(state, hparams, data) of one run; settings [S]; the rows."""
    from jaxsize.networks import mlp
    from jaxsize.sparsifier import SparsifierConfig, make_trainer
    from jaxsize.training import TASKS, Config, Data, Hparams, Rows, init_state, make_epoch

    trainer = make_trainer(mlp(WIDTHS), TASKS["classification"], SparsifierConfig())
    values = (LEARNING_RATE, PENALTY, WEIGHT_DECAY, LEARNING_RATE)
    hparams = Hparams(*(np.full(len(problem.seeds), value, np.float32) for value in values))
    data = Data(Rows(problem.inputs, problem.targets), np.float32(SCALE), np.float32(SHIFT))

    def start(run: Any, hparams: Any, shared: Any) -> Any:
        return init_state(trainer, *run, hparams)

    return start, make_epoch(trainer, Config(batch_size=problem.batch_size)), hparams, data


def _flat(params: Any) -> Arrays:
    (hidden,), output = params["hidden"], params["output"]
    return {f"hidden.{name}": leaf for name, leaf in hidden.items()} | {
        f"output.{name}": leaf for name, leaf in output.items()
    }


class Jaxsize:
    """All seeds in one program of jaxsize, laid over all devices."""

    def __init__(self, problem: Problem):
        from jaxsize.runs import RunAxis

        start, epoch, hparams, data = _jax_parts(problem)
        self.axis = RunAxis(len(problem.seeds))
        self.hparams, self.data = self.axis.put(hparams), self.axis.replicate(data)
        self.state = self.axis.map(start)(self.axis.put((problem.params, problem.seeds)), self.hparams, ())
        self.program = self.axis.map(epoch, donate=True)

    def epoch(self, first: bool) -> None:
        self.state, history = self.program(self.state, self.hparams, self.data)
        self.losses = self.axis.fetch(history["loss"])

    def result(self) -> tuple[np.ndarray, Arrays]:
        return self.losses, _flat(self.axis.fetch(self.state.params))


class JaxLoop:
    """One compiled epoch, called for one seed after the other, on one device with all threads."""

    def __init__(self, problem: Problem):
        import jax

        from jaxsize.runs import unstack

        start, epoch, hparams, self.data = _jax_parts(problem)
        self.data = jax.device_put(self.data)
        self.hparams = [unstack(hparams, index) for index in range(len(problem.seeds))]
        runs = [unstack((problem.params, problem.seeds), index) for index in range(len(problem.seeds))]
        self.states = [jax.jit(start)(run, settings, ()) for run, settings in zip(runs, self.hparams, strict=True)]
        self.program = jax.jit(epoch, donate_argnums=0)

    def epoch(self, first: bool) -> None:
        losses = []
        for index, hparams in enumerate(self.hparams):
            self.states[index], history = self.program(self.states[index], hparams, self.data)
            losses.append(np.asarray(history["loss"]))
        self.losses = np.stack(losses)

    def result(self) -> tuple[np.ndarray, Arrays]:
        import jax

        from jaxsize.runs import stack

        return self.losses, _flat(stack([jax.device_get(state.params) for state in self.states]))


def _torch_network() -> Any:
    """The gated network of one seed as a module with parameters w0, b0, gate, w1, b1, not yet drawn."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            shapes = {"w0": (500, 784), "b0": (500,), "gate": (500,), "w1": (10, 500), "b1": (10,)}
            for name, shape in shapes.items():
                self.register_parameter(name, nn.Parameter(torch.empty(shape)))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            hidden = F.relu(F.linear(inputs, self.w0, self.b0))
            return F.linear(hidden * F.relu(self.gate), self.w1, self.b1)

    return Network()


_NAMES = {
    "hidden.kernel": "w0",
    "hidden.bias": "b0",
    "hidden.liveness": "gate",
    "output.kernel": "w1",
    "output.bias": "b1",
}


def _to_torch(params: Any) -> dict[str, Any]:
    """jaxsize's weights [S, ...] under the module's names and in PyTorch's layout; `_from_torch` goes back."""
    import torch

    flat = {name: leaf.swapaxes(1, 2) if name.endswith("kernel") else leaf for name, leaf in _flat(params).items()}
    return {new: torch.tensor(np.ascontiguousarray(flat[old])) for old, new in _NAMES.items()}


def _from_torch(tensors: dict[str, Any]) -> Arrays:
    flat = {old: tensors[new].detach().numpy() for old, new in _NAMES.items()}
    return {name: leaf.swapaxes(1, 2) if name.endswith("kernel") else leaf for name, leaf in flat.items()}


def _torch_optimizer(params: dict[str, Any]) -> Any:
    import torch

    gate, weights = params["gate"], [leaf for name, leaf in params.items() if name != "gate"]
    groups = [{"params": [gate], "weight_decay": 0.0}, {"params": weights, "weight_decay": WEIGHT_DECAY}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, fused=True)


class TorchLoop:
    """PyTorch's eager loop, one seed after the other: fused Adam, float32 rows in memory, no DataLoader, no item()."""

    def __init__(self, problem: Problem):
        import torch

        self.problem, params = problem, _to_torch(problem.params)
        self.inputs = torch.tensor(problem.inputs.astype(np.float32) * np.float32(SCALE) + np.float32(SHIFT))
        self.targets = torch.tensor(problem.targets.astype(np.int64))
        self.networks = [_torch_network() for _ in problem.seeds]
        for index, network in enumerate(self.networks):
            network.load_state_dict({name: leaf[index] for name, leaf in params.items()})
        self.optimizers = [_torch_optimizer(dict(network.named_parameters())) for network in self.networks]

    def epoch(self, first: bool) -> None:
        import torch
        from torch.nn import functional as F

        losses = []
        for seed, (network, optimizer) in enumerate(zip(self.networks, self.optimizers, strict=True)):
            order = torch.tensor(self.problem.orders[seed]) if first else torch.randperm(len(self.targets))
            for index in order.split(self.problem.batch_size):
                loss = F.cross_entropy(network(self.inputs[index]), self.targets[index])
                optimizer.zero_grad()
                (loss + PENALTY * F.relu(network.gate).sum()).backward()
                optimizer.step()
                with torch.no_grad():
                    network.gate.clamp_(min=0)
                losses.append(loss.detach())
        self.losses = torch.stack(losses).reshape(len(self.networks), -1).numpy()

    def result(self) -> tuple[np.ndarray, Arrays]:
        import torch

        names = list(_NAMES.values())
        return self.losses, _from_torch(
            {name: torch.stack([getattr(network, name) for network in self.networks]) for name in names}
        )


class TorchVmap:
    """All seeds in one `torch.func.vmap`, on stacked weights; fused Adam moves all of them at once."""

    def __init__(self, problem: Problem):
        import torch
        from torch.func import functional_call, grad_and_value
        from torch.nn import functional as F

        self.problem, network = problem, _torch_network()
        self.inputs = torch.tensor(problem.inputs.astype(np.float32) * np.float32(SCALE) + np.float32(SHIFT))
        self.targets = torch.tensor(problem.targets.astype(np.int64))
        self.params = {name: leaf.requires_grad_() for name, leaf in _to_torch(problem.params).items()}
        self.optimizer = _torch_optimizer(self.params)

        def objective(params: Any, inputs: Any, targets: Any) -> tuple[Any, Any]:
            loss = F.cross_entropy(functional_call(network, params, (inputs,)), targets)
            return loss + PENALTY * F.relu(params["gate"]).sum(), loss

        self.gradient = torch.func.vmap(grad_and_value(objective, has_aux=True))

    def epoch(self, first: bool) -> None:
        import torch

        num_runs, num_rows = self.problem.orders.shape
        drawn = None if first else torch.stack([torch.randperm(num_rows) for _ in range(num_runs)])
        orders = torch.tensor(self.problem.orders) if drawn is None else drawn
        losses = []
        for index in orders.split(self.problem.batch_size, dim=1):
            values = {name: leaf.detach() for name, leaf in self.params.items()}
            gradient, (_, loss) = self.gradient(values, self.inputs[index], self.targets[index])
            for name, leaf in self.params.items():
                leaf.grad = gradient[name]
            self.optimizer.step()
            with torch.no_grad():
                self.params["gate"].clamp_(min=0)
            losses.append(loss)
        self.losses = torch.stack(losses, dim=1).numpy()

    def result(self) -> tuple[np.ndarray, Arrays]:
        return self.losses, _from_torch(self.params)


# --- Their processes.


def _use_all_cores() -> None:
    from jaxsize.runs import use_all_cores

    use_all_cores()


def _serve(contender: Callable[[Problem], Any], problem: Problem, cores: set[int], devices: bool, pipe: Connection):
    """The life of a worker: prepares, says so, and then answers until it is killed."""
    os.sched_setaffinity(0, cores)  # before JAX or PyTorch counts its threads
    if devices:
        _use_all_cores()
    trainer = contender(problem)
    pipe.send(None)
    while True:
        request, *arguments = pipe.recv()
        pipe.send(getattr(trainer, request)(*arguments))


class Worker:
    """A contender in `len(parts)` processes, each with a part of the seeds, which stand still between requests."""

    def __init__(
        self, contender: Callable, problem: Problem, parts: list[range], *, pinned: bool = False, devices: bool = False
    ):
        context = multiprocessing.get_context("spawn")
        cores = sorted(os.sched_getaffinity(0))
        self.order = np.argsort([run for part in parts for run in part])
        self.processes, self.pipes = [], []
        for index, part in enumerate(parts):
            here, there = context.Pipe()
            allowed = {cores[index]} if pinned else set(cores)
            arguments = (contender, problem.only(part), allowed, devices, there)
            self.processes.append(context.Process(target=_serve, args=arguments, daemon=True))
            self.pipes.append(here)
            self.processes[-1].start()
            there.close()  # so that a worker that dies is noticed: recv raises EOFError
        self._receive()

    def _receive(self) -> list[Any]:
        answers = [pipe.recv() for pipe in self.pipes]
        self._signal(signal.SIGSTOP)
        return answers

    def _signal(self, which: signal.Signals) -> None:
        for process in self.processes:
            os.kill(process.pid, which)

    def ask(self, *request: Any) -> list[Any]:
        self._signal(signal.SIGCONT)
        for pipe in self.pipes:
            pipe.send(request)
        return self._receive()

    def epoch(self, first: bool = False) -> None:
        self.ask("epoch", first)

    def result(self) -> tuple[np.ndarray, Arrays]:
        losses, params = zip(*self.ask("result"), strict=True)
        joined = {name: np.concatenate([part[name] for part in params])[self.order] for name in params[0]}
        return np.concatenate(losses)[self.order], joined

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


# --- The two comparisons.


def differences(ours: tuple[np.ndarray, Arrays], other: tuple[np.ndarray, Arrays], start: Arrays) -> dict[str, float]:
    """How far two results are apart: losses, relative; weights, relative to how far ours were moved from `start`.

    And `gates`, the share of gates that are closed in one and open in the other.
    """
    (our_losses, our_params), (losses, params) = ours, other
    moved = {name: np.linalg.norm(our_params[name] - start[name]) for name in start}
    weights = [np.linalg.norm(params[name] - our_params[name]) / moved[name] for name in start]
    closed, our_closed = (values["hidden.liveness"] == 0 for values in (params, our_params))
    return {
        "losses": float(np.max(np.abs(losses / our_losses - 1))),
        "weights": float(max(weights)),
        "gates": float(np.mean(closed != our_closed)),
    }


def check(results: dict[str, tuple[np.ndarray, Arrays]], start: Arrays) -> dict[str, dict[str, float]]:
    """Differences of all results from the first. SystemExit if one is above TOLERANCE, or no gate was closed."""
    (first, ours), *others = results.items()
    found = {name: differences(ours, result, start) for name, result in others}
    print(f"after one epoch, {np.mean(ours[1]['hidden.liveness'] == 0):.1%} of the gates closed; apart from {first}:")
    rows = [[name, *(f"{value:.1e}" for value in values.values())] for name, values in found.items()]
    print(format_table(["", "losses", "weights", "gates"], rows) + "\n")
    wrong = [name for name, values in found.items() if not max(values.values()) <= TOLERANCE]
    if wrong:
        raise SystemExit(f"{', '.join(wrong)}: further from {first} than {TOLERANCE:g}; nothing was timed")
    if not np.any(ours[1]["hidden.liveness"] == 0):
        raise SystemExit("no gate was closed: the check does not cover closed gates")
    return found


def against_contenders(flags: Flags) -> int:
    problem = make_problem(flags)
    everything, cores = [range(flags.runs)], min(num_cores(), flags.runs)
    workers: dict[str, Worker] = {}
    try:
        workers["jaxsize"] = Worker(Jaxsize, problem, everything, devices=True)
        workers["PyTorch, seed by seed"] = Worker(TorchLoop, problem, everything)
        workers["torch.func.vmap"] = Worker(TorchVmap, problem, everything)
        workers["JAX, seed by seed"] = Worker(JaxLoop, problem, everything)
        dealt = [range(core, flags.runs, cores) for core in range(cores)]
        workers["PyTorch, a process per core"] = Worker(TorchLoop, problem, dealt, pinned=True)
        for worker in workers.values():
            worker.epoch(first=True)
        checked = check({name: worker.result() for name, worker in workers.items()}, _flat(problem.params))
        time_in_turns({name: worker.epoch for name, worker in workers.items()}, 1)
        seconds = time_in_turns({name: worker.epoch for name, worker in workers.items()}, flags.repetitions)
    finally:
        for worker in workers.values():
            worker.close()
    typical = medians(seconds)
    _print_table(typical, seconds, dict.fromkeys(typical, flags.runs))
    promises = [
        Promise(f"speed-up over {name}", typical[name] / typical["jaxsize"], at_least=bound)
        for name, bound in SPEED_UPS.items()
    ]
    return _report(flags, seconds, checked, promises, dict.fromkeys(typical, flags.runs))


def against_one_run(flags: Flags) -> int:
    _use_all_cores()
    problem = make_problem(flags)
    names = {f"{flags.runs} runs": flags.runs, "1 run": 1}
    trainers = {name: Jaxsize(problem.only(range(count))) for name, count in names.items()}
    for trainer in trainers.values():
        trainer.epoch(first=True)
    results = {}
    for name, trainer in trainers.items():
        losses, params = trainer.result()
        results[name] = losses[:1], {key: leaf[:1] for key, leaf in params.items()}
    checked = check(results, {key: leaf[:1] for key, leaf in _flat(problem.params).items()})
    measures = {name: lambda trainer=trainer: trainer.epoch(first=False) for name, trainer in trainers.items()}
    time_in_turns(measures, 1)
    seconds = time_in_turns(measures, flags.repetitions)
    typical = medians(seconds)
    _print_table(typical, seconds, names)
    many, one = typical.values()
    promises = [Promise(f"time of {flags.runs} runs over that of 1", many / one, at_most=MOST_TIMES_ONE_RUN)]
    return _report(flags, seconds, checked, promises, names)


def _print_table(typical: dict[str, float], seconds: dict[str, list[float]], num_runs: dict[str, int]) -> None:
    rows = [
        [
            name,
            f"{num_runs[name] / median:.2f}",
            f"{median:.3f}",
            f"{min(seconds[name]):.3f} .. {max(seconds[name]):.3f}",
            f"{median / num_runs[name] / (typical['jaxsize'] / num_runs['jaxsize']):.2f}"
            if "jaxsize" in typical
            else "",
        ]
        for name, median in typical.items()
    ]
    print(format_table(["", "seed-epochs/s", "seconds", "from .. to", "times jaxsize"], rows))


def _report(
    flags: Flags, seconds: dict[str, list[float]], checked: Any, promises: list[Promise], num_runs: dict[str, int]
) -> int:
    row = machine("torch", "tyro") | {
        "device": device_name(),
        "dtype": "float32",
        "widths": WIDTHS,
        "rows": flags.steps * flags.batch_size,
        "settings": dataclasses.asdict(flags),
        "tolerance": TOLERANCE,
        "differences_after_one_epoch": checked,
        "runs": num_runs,
        "seconds": seconds,
        "median_seconds": medians(seconds),
    }
    return report("seeds", device_name(), row, promises)


def main(flags: Flags) -> int:
    import jax

    against = flags.against or ("one_run" if jax.default_backend() == "gpu" else "contenders")
    return (against_one_run if against == "one_run" else against_contenders)(flags)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
