"""The command `python -m experiments.pca_metric`."""

import sys

from experiments.pca_metric import STUDY

if __name__ == "__main__":
    sys.exit(STUDY.main())
