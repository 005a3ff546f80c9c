"""The command `python -m experiments.activation_spread`."""

import sys

from experiments.activation_spread import STUDY

if __name__ == "__main__":
    sys.exit(STUDY.main())
