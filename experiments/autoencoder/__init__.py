"""The study of how autoencoders are trained, as a package: `STUDY` is the study, `COMMAND` its command."""

from experiments.autoencoder.study import COMMAND, STUDY

__all__ = ["COMMAND", "STUDY"]
