"""The study of spreads of activations, as a package: `STUDY` is the study, `COMMAND` its command."""

from experiments.activation_spread.study import COMMAND, STUDY

__all__ = ["COMMAND", "STUDY"]
