"""The command `python -m experiments.overfit`."""

import sys

from experiments.overfit import STUDY

if __name__ == "__main__":
    sys.exit(STUDY.main())
