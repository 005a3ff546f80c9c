"""Run `python -m experiments.book`."""

import sys

from experiments.book.command import main

if __name__ == "__main__":
    sys.exit(main())
