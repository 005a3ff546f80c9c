"""The command `python -m experiments.autoencoder`."""

import sys

from experiments.autoencoder import STUDY

if __name__ == "__main__":
    sys.exit(STUDY.main())
