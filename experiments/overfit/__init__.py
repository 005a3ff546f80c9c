"""The study of autoencoders that are over-fitted on purpose: `STUDY` is the study, `COMMAND` its command."""

from experiments.overfit.study import COMMAND, STUDY

__all__ = ["COMMAND", "STUDY"]
