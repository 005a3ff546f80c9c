"""Values of a summary in plain words: numbers, lists, and the names and units of columns."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from jaxsize.statistics import Estimate

UNITS = (  # the first that fits a column's name
    (r"(^|_)accuracy$", "share of rows"),
    (r"^(train|validation|test|held_out)(_noiseless)?_error$", "mean squared"),
    (r"(^|_)(live_units|units|size|widths?|gray_zones?)$", "units"),
    (r"(^|_)seconds$", "s"),
    (r"(^|_)multiply_adds$", "per row"),
)
OF_ESTIMATES = (*(field.name for field in dataclasses.fields(Estimate)), "p_value_holm")
OF_PARTS = (*OF_ESTIMATES, "verdict", "reason")
"""What a part of a claim has beside its label."""
NOTHING = "\N{EN DASH}"


def unit_of(name: str) -> str:
    """Name the unit of a column; "" where it has none or it is not known."""
    return next((unit for pattern, unit in UNITS if re.search(pattern, name)), "")


def title_of(name: str) -> str:
    """Turn the name of a column into words."""
    return name.replace("_", " ").strip() or NOTHING


def number(value: float, name: str = "") -> str:
    """Write a number as short as its column allows.

    Args:
        value: the number.
        name: of its column: shares get four digits after the point, numbers of units at most one.
    """
    if isinstance(value, int):
        return str(value)
    if "accuracy" in name and abs(value) <= 1:
        return f"{value:.4f}"
    if unit_of(name) == "units" and 10 <= abs(value) < 1e6:
        return f"{value:.1f}".removesuffix(".0")
    if 1000 <= abs(value) < 1e6:
        return f"{value:.0f}"
    return re.sub(r"e([+-])0*(\d)", lambda found: f"e{found[1].strip('+')}{found[2]}", f"{value:.4g}")


def plain(value: Any, name: str = "") -> str:
    """Write any value of JSON's types on one line."""
    if value is None or value == "" or value == [] or value == {}:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(value, name)
    if isinstance(value, Mapping):
        middle = value.get("median", value.get("estimate"))
        if middle is not None:
            ends = interval(value, name)
            return f"{number(middle, name)} {ends}" if ends else number(middle, name)
        return "; ".join(f"{title_of(str(key))}: {plain(entry, name)}" for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(entry, name) for entry in value)
    return str(value)


def interval(value: Mapping[str, Any], name: str = "") -> str:
    """Write the interval of a description or an estimate; "" where there is none, or it reads like the number."""
    low, high, middle = value.get("low"), value.get("high"), value.get("median", value.get("estimate"))
    if low is None or high is None:
        return ""
    ends = number(low, name), number(high, name)
    return "" if middle is not None and set(ends) == {number(middle, name)} else f"[{ends[0]} to {ends[1]}]"


def p_value(value: float | None) -> str:
    """Write a p value with two digits."""
    return NOTHING if value is None else number(float(f"{value:.2g}"))
