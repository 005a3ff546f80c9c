"""The settings of a run that are arrays, so that runs with other settings share one program."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import jax


@jax.tree_util.register_pytree_with_keys_class
class Hparams(Mapping[str, Any]):
    """The settings that differ from run to run without changing a shape, by name: arrays [], or [R] of a batch of runs.

    They are traced. Which ones there are, and their defaults, a learner declares in `Learner.defaults`;
    `Learner.hparams` makes them. Where a learner says so, a setting is a tree of such arrays, with a number per layer.

    Raises:
        AttributeError: when a setting is read that is not there; the message lists those that are.

    Example:
        >>> from jaxsize.learners import Hparams
        >>> hparams = Hparams(learning_rate=0.1, damping=3.0)
        >>> hparams.learning_rate, hparams["damping"], sorted(hparams)
        (0.1, 3.0, ['damping', 'learning_rate'])
        >>> hparams.replace(damping=1.0).damping
        1.0
    """

    def __init__(self, **settings: Any):
        self.__dict__["_settings"] = settings

    def __getitem__(self, name: str) -> Any:
        return self._settings[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by copying and pickling, before there are settings
            raise AttributeError(name)
        try:
            return self._settings[name]
        except KeyError:
            raise AttributeError(f"no setting {name!r}; there are {', '.join(sorted(self)) or 'none'}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"settings stay as they are: use replace({name}=...)")

    def __repr__(self) -> str:
        return f"Hparams({', '.join(f'{name}={value!r}' for name, value in self.items())})"

    def replace(self, **settings: Any) -> Self:
        """Return the same settings but for these, which may be new ones."""
        return type(self)(**{**self._settings, **settings})

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], tuple[str, ...]]:
        """List the settings by name in alphabetical order, for JAX."""
        names = tuple(sorted(self))
        return [(jax.tree_util.DictKey(name), self[name]) for name in names], names

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], values: Any) -> Self:
        """Put the settings together again, for JAX."""
        return cls(**dict(zip(names, values, strict=True)))
