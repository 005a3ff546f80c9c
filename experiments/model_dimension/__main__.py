"""The command `python -m experiments.model_dimension`."""

import sys

from experiments.model_dimension import STUDY

if __name__ == "__main__":
    sys.exit(STUDY.main())
