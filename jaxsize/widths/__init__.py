"""Widths of a network of one's own, learned by one call: `learn_widths`."""

from jaxsize.widths.learning import LearnedWidths, learn_widths

__all__ = ["LearnedWidths", "learn_widths"]
