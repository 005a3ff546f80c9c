"""A table of mixed types with holes, and the command that learns the widths of a network for it.

    python examples/table.py flats.csv
    python -m experiments.sparsifier --dataset flats.csv --target rent

The table is made up: flats with a size, a floor, a quarter, a year (some unknown) and a rent that depends on them.
"""

import csv
import sys

import numpy as np

rng = np.random.default_rng(0)
quarters = {"old town": 300, "harbour": 120, "hill": 0}
with open(sys.argv[1], "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["size", "floor", "quarter", "year", "balcony", "rent"])
    for _ in range(800):
        size, floor, year, balcony = (
            rng.uniform(20, 120),
            rng.integers(0, 8),
            rng.integers(1900, 2025),
            rng.random() < 0.4,
        )
        quarter = rng.choice(list(quarters))
        rent = 8 * size * (1 + 0.03 * floor * balcony) + quarters[quarter] * (year < 1950) + rng.normal(0, 40)
        holes = ["" if rng.random() < 0.1 else value for value in (floor, quarter, year)]
        table.writerow([f"{size:.1f}", *holes, "yes" if balcony else "no", f"{rent:.0f}"])
