"""Settings of single runs, with the defaults of their learner."""

from typing import Any

from jaxsize.learners import Hparams, flexible, sparsifier


def sparsifier_hparams(**settings: Any) -> Hparams:
    return Hparams(**{**sparsifier.DEFAULTS, **settings})


def flexible_hparams(**settings: Any) -> Hparams:
    return Hparams(**{**flexible.DEFAULTS, **settings})
