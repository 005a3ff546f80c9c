"""The command `python -m experiments.size_prediction`."""

import sys

from experiments.size_prediction import STUDY

if __name__ == "__main__":
    sys.exit(STUDY.main())
