"""Studies of network size, one question each: `python -m experiments.NAME` runs the module or package NAME."""
