"""A program's axes, read off its jaxpr: which are the same, which gates close them, and what the program costs."""
