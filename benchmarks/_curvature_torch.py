"""The products of `benchmarks.curvature` in PyTorch: double backward passes, and curvlinops where it is installed."""
# pyright: reportMissingImports=false

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks._curvature_jax import GRADIENT, HESSIAN, HESSIANS, MANY, Layers, Problem, flat


def _autoencoder(problem: Problem) -> nn.Sequential:
    kinds = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "identity": nn.Identity}
    modules: list[nn.Module] = []
    for layer, activation in zip(problem.layers, problem.activations, strict=True):
        linear = nn.Linear(*layer["kernel"].shape, bias="bias" in layer)
        with torch.no_grad():
            for own, leaf in zip(linear.parameters(), _of_layer(layer), strict=True):
                own.copy_(leaf)
        modules += [linear, kinds[activation]()]
    return nn.Sequential(*modules)


def _of_layer(layer: dict[str, Any]) -> list[torch.Tensor]:
    """Return the leaves in PyTorch's order, kernels transposed, with or without an axis of vectors in front."""
    kernel = torch.from_numpy(np.ascontiguousarray(np.swapaxes(layer["kernel"], -1, -2)))
    return [kernel, torch.from_numpy(layer["bias"])] if "bias" in layer else [kernel]


class DoubleBackward:
    """Products by the derivative of gradient times vector; many at once by one graph of the gradient, kept."""

    names = (GRADIENT, HESSIAN, HESSIANS)

    def __init__(self, problem: Problem):
        self.problem = problem
        self.model = _autoencoder(problem)
        self.params = list(self.model.parameters())
        self.inputs = torch.from_numpy(problem.inputs)
        stacked = [leaf for layer in problem.vectors for leaf in _of_layer(layer)]
        self.vectors = [[leaf[index].contiguous() for leaf in stacked] for index in range(len(stacked[0]))]

    def loss(self) -> torch.Tensor:
        """Return half the squared error, the mean over rows."""
        return ((self.model(self.inputs) - self.inputs) ** 2).sum() / (2 * len(self.inputs))

    def call(self, name: str) -> Any:
        """Return the gradient, a product, or a list of products, as lists of tensors."""
        if name == GRADIENT:
            return torch.autograd.grad(self.loss(), self.params)
        gradient = torch.autograd.grad(self.loss(), self.params, create_graph=True)
        if name == HESSIAN:
            return torch.autograd.grad(gradient, self.params, self.vectors[0])
        return [torch.autograd.grad(gradient, self.params, vector, retain_graph=True) for vector in self.vectors]

    def repeat(self, name: str, times: int) -> None:
        """Do it some times."""
        for _ in range(times):
            self.call(name)

    def result(self, name: str) -> np.ndarray:
        """Return what it gives, as one vector, or one per vector."""
        got = self.call(name)
        return np.stack([self._flat(one) for one in got]) if name in MANY else self._flat(got)

    def can(self) -> list[str]:
        """Return the names of what it can do."""
        return list(self.names)

    def _flat(self, tensors: Any) -> np.ndarray:
        leaves = iter(tensors)
        layers: Layers = [
            {name: next(leaves).detach().numpy().T for name in ("kernel", "bias") if name in layer}
            for layer in self.problem.layers
        ]
        return flat(layers)


class Curvlinops(DoubleBackward):
    """Products by curvlinops' operators, forward over reverse in `torch.func`; of all vectors by its `vmap`."""

    names = (HESSIAN, HESSIANS)

    def __init__(self, problem: Problem):
        from curvlinops import HessianLinearOperator

        super().__init__(problem)
        data = [(self.inputs, self.inputs)]
        self.operator = HessianLinearOperator(self.model, nn.MSELoss(), self.params, data, check_deterministic=False)
        self.columns = [torch.stack(leaves, -1) for leaves in zip(*self.vectors, strict=True)]
        self.scale = self.inputs.shape[1] / 2  # MSELoss is a mean over outputs too, and not half of it

    def call(self, name: str) -> Any:
        """Return a product, or a list of products, as lists of tensors."""
        if name == HESSIAN:
            return [self.scale * leaf for leaf in self.operator @ self.vectors[0]]
        products = [self.scale * leaf for leaf in self.operator @ self.columns]
        return [[leaf[..., index] for leaf in products] for index in range(len(self.vectors))]
