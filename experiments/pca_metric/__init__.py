"""The study of principal components, as a package: `STUDY` is the study, `COMMAND` its command."""

from experiments.pca_metric.study import COMMAND, STUDY

__all__ = ["COMMAND", "STUDY"]
