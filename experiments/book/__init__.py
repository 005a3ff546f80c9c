"""The state of every claim, and what it rests on: many results folders as one page.

    python -m experiments.book results                   book.html from every folder below results/
    python -m experiments.book results old --out all.html

Folders are found by their summary.json; those of another format are listed as skipped.
"""

from experiments.book.command import main

__all__ = ["main"]
