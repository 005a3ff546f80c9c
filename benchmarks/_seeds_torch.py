"""The contenders of `benchmarks.seeds` and `benchmarks.flexible_seeds` that train in PyTorch.

`_seeds_jax` explains what a contender is. All of these keep the rows as float32 tensors, read no number back within an
epoch, and train the weights by PyTorch's fused AdamW (with flexible sizes: fused Adam).
"""
# pyright: reportMissingImports=false

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad_and_value
from torch.nn import functional as F

from benchmarks._seeds_jax import (
    LEARNING_RATE,
    PENALTY,
    SCALE,
    SHIFT,
    SIZE_LEARNING_RATE,
    SIZE_PENALTY,
    WEIGHT_DECAY,
    WIDTHS,
    Arrays,
    Problem,
    flat,
)

Tensors = dict[str, torch.Tensor]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
"""Where PyTorch trains: on the GPU, if there is one."""
NAMES = {
    "hidden.kernel": "w0",
    "hidden.bias": "b0",
    "hidden.liveness": "gate",
    "hidden.size": "size",
    "hidden.slope": "slope",
    "output.kernel": "w1",
    "output.bias": "b1",
}


class Network(nn.Module):
    """The gated network of one seed, with uninitialised weights."""

    def __init__(self) -> None:
        super().__init__()
        inputs, units, outputs = WIDTHS
        self.w0, self.b0 = nn.Parameter(torch.empty(units, inputs)), nn.Parameter(torch.empty(units))
        self.gate = nn.Parameter(torch.empty(units))
        self.w1, self.b1 = nn.Parameter(torch.empty(outputs, units)), nn.Parameter(torch.empty(outputs))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs of a batch [B, inputs], as [B, outputs]."""
        hidden = F.relu(F.linear(inputs, self.w0, self.b0))
        return F.linear(hidden * F.relu(self.gate), self.w1, self.b1)

    def penalty(self) -> torch.Tensor:
        """Return the price of the open gates."""
        return PENALTY * F.relu(self.gate).sum()

    def after_step(self) -> None:
        """Close the gates that went below 0."""
        with torch.no_grad():
            self.gate.clamp_(min=0)

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Return the optimiser of all parameters."""
        return _optimizer(dict(self.named_parameters()))


class FlexibleNetwork(nn.Module):
    """The network of one seed with a trained size, with uninitialised weights."""

    slope: torch.Tensor
    index: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        inputs, units, outputs = WIDTHS
        self.w0, self.b0 = nn.Parameter(torch.empty(units, inputs)), nn.Parameter(torch.empty(units))
        self.size = nn.Parameter(torch.empty(()))
        self.register_buffer("slope", torch.empty(()))
        self.register_buffer("index", torch.arange(units, dtype=torch.float32), persistent=False)
        self.w1, self.b1 = nn.Parameter(torch.empty(outputs, units)), nn.Parameter(torch.empty(outputs))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs of a batch [B, inputs], as [B, outputs]."""
        hidden = F.relu(F.linear(inputs, self.w0, self.b0))
        return F.linear(hidden * torch.sigmoid(self.slope * (self.size - self.index)), self.w1, self.b1)

    def penalty(self) -> torch.Tensor:
        """Return the price of the size: the integral of the gates over all units, in its stable form."""
        below, above = F.softplus(self.slope * self.size), F.softplus(self.slope * (self.size - WIDTHS[1]))
        return SIZE_PENALTY * (below - above) / self.slope

    def after_step(self) -> None:
        """Do nothing: sizes may be any number."""

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Return the optimiser of all parameters."""
        weights = [self.w0, self.b0, self.w1, self.b1]
        groups = [{"params": weights}, {"params": [self.size], "lr": SIZE_LEARNING_RATE}]
        return torch.optim.Adam(groups, lr=LEARNING_RATE, fused=True)


def _to_torch(params: Any) -> Tensors:
    """Weights of jaxsize [S, ...] under the module's names and in PyTorch's layout; `_from_torch` is the inverse."""
    leaves = {name: leaf.swapaxes(1, 2) if name.endswith("kernel") else leaf for name, leaf in flat(params).items()}
    return {NAMES[old]: torch.tensor(np.ascontiguousarray(leaf), device=DEVICE) for old, leaf in leaves.items()}


def _from_torch(tensors: Tensors) -> Arrays:
    leaves = {old: tensors[new].detach().cpu().numpy() for old, new in NAMES.items() if new in tensors}
    return {name: leaf.swapaxes(1, 2) if name.endswith("kernel") else leaf for name, leaf in leaves.items()}


def _rows(problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = problem.inputs.astype(np.float32) * np.float32(SCALE) + np.float32(SHIFT)
    return torch.tensor(inputs, device=DEVICE), torch.tensor(problem.targets.astype(np.int64), device=DEVICE)


def _optimizer(params: Tensors) -> torch.optim.Optimizer:
    weights = [leaf for name, leaf in params.items() if name != "gate"]
    groups = [{"params": [params["gate"]], "weight_decay": 0.0}, {"params": weights, "weight_decay": WEIGHT_DECAY}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, fused=True)


class TorchLoop:
    """The eager loop, one seed after the other."""

    network: Any = Network

    def __init__(self, problem: Problem):
        self.problem, params = problem, _to_torch(problem.params)
        self.inputs, self.targets = _rows(problem)
        self.networks = [self.network().to(DEVICE) for _ in problem.seeds]
        for index, network in enumerate(self.networks):
            network.load_state_dict({name: leaf[index] for name, leaf in params.items()})
        self.optimizers = [network.make_optimizer() for network in self.networks]

    def epoch(self, first: bool) -> None:
        """Train one epoch; the first one with the orders of rows that the problem has."""
        losses = []
        for seed, (network, optimizer) in enumerate(zip(self.networks, self.optimizers, strict=True)):
            drawn = self.problem.orders[seed] if first else torch.randperm(len(self.targets), device=DEVICE)
            order = torch.as_tensor(drawn, device=DEVICE)
            for index in order.split(self.problem.batch_size):
                loss = F.cross_entropy(network(self.inputs[index]), self.targets[index])
                optimizer.zero_grad()
                (loss + network.penalty()).backward()
                optimizer.step()
                network.after_step()
                losses.append(loss.detach())
        self.losses = torch.stack(losses).reshape(len(self.networks), -1).cpu().numpy()

    def result(self) -> tuple[np.ndarray, Arrays]:
        """Return the losses of the last epoch and the weights."""
        names = self.networks[0].state_dict()
        stacked = {name: torch.stack([getattr(network, name) for network in self.networks]) for name in names}
        return self.losses, _from_torch(stacked)


class FlexibleTorchLoop(TorchLoop):
    """The eager loop over networks with a trained size."""

    network = FlexibleNetwork


class TorchVmap:
    """All seeds in one `torch.func.vmap` on stacked weights; the optimiser moves all of them at once."""

    def __init__(self, problem: Problem):
        self.problem, network = problem, Network()
        self.inputs, self.targets = _rows(problem)
        self.params = {name: leaf.requires_grad_() for name, leaf in _to_torch(problem.params).items()}
        self.optimizer = _optimizer(self.params)

        def objective(
            params: Tensors, inputs: torch.Tensor, targets: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            loss = F.cross_entropy(functional_call(network, params, (inputs,)), targets)
            return loss + PENALTY * F.relu(params["gate"]).sum(), loss

        self.gradient = torch.func.vmap(grad_and_value(objective, has_aux=True))

    def epoch(self, first: bool) -> None:
        """Train one epoch; the first one with the orders of rows that the problem has."""
        num_runs, num_rows = self.problem.orders.shape
        if first:
            orders = torch.tensor(self.problem.orders, device=DEVICE)
        else:
            orders = torch.stack([torch.randperm(num_rows, device=DEVICE) for _ in range(num_runs)])
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
        self.losses = torch.stack(losses, dim=1).cpu().numpy()

    def result(self) -> tuple[np.ndarray, Arrays]:
        """Return the losses of the last epoch and the weights."""
        return self.losses, _from_torch(self.params)
