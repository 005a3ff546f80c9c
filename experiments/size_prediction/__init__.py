"""The study of what one trained network says of the size it needs: `STUDY` is the study, `COMMAND` its command."""

from experiments.size_prediction.study import COMMAND, STUDY

__all__ = ["COMMAND", "STUDY"]
