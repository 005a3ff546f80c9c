"""The study of the dimension that an autoencoder needs, as a package: `STUDY` is the study, `COMMAND` its command."""

from experiments.model_dimension.study import COMMAND, STUDY

__all__ = ["COMMAND", "STUDY"]
