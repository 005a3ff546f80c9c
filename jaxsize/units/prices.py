"""What a unit costs: one each, or the parameters or multiply-adds that go with it (E23).

A penalty that prices all units alike may keep units where they are expensive. The original work charged 9 times the
price for a unit of a 3 x 3 convolution, and the true price in no layer.
"""

from collections.abc import Iterable
from typing import Literal

from jaxsize.units._naming import group_of
from jaxsize.units.groups import UnitGroups

Per = Literal["unit", "parameter", "multiply_add"]
"""What a unit is priced by: 1 each, or what the network has or does less without it."""


def unit_prices(groups: UnitGroups, gates: Iterable[str], *, per: Per) -> dict[str, float]:
    """Compute the price of a unit for every gate, on average 1 over all units, for `sparsifier.make_learner`.

    Since prices are relative to their mean, one penalty weight means about the same for every `per`.

    Args:
        groups: the unit groups of the network before training.
        gates: names of the gates, as `gates.read_liveness` gives them.
        per: "unit" for a price of 1; "parameter" for how many parameters fewer the network has with one unit less in
            the gate's group; "multiply_add" for how many multiply-adds fewer it does.

    Returns:
        The price of one unit, by the name of the gate.

    Raises:
        InputError: when a gate is none of the function from which the groups were read.

    Example:
        >>> import jax, jaxsize
        >>> from jaxsize.units import unit_prices
        >>> network = jaxsize.mlp((10, 4, 4, 2))
        >>> groups = jaxsize.unit_groups(network.apply, network.init(0), jax.numpy.ones((1, 10)))
        >>> prices = unit_prices(groups, ["hidden.0", "hidden.1"], per="multiply_add")
        >>> {gate: round(price, 3) for gate, price in prices.items()}  # 10 + 4 and 4 + 2 multiply-adds per unit
        {'hidden.0': 1.4, 'hidden.1': 0.6}
    """
    count = {"unit": None, "parameter": groups.num_parameters, "multiply_add": groups.num_multiply_adds}[per]
    sizes, saved = {}, {}
    for gate in gates:
        group = groups[group_of(groups, gate, where="unit_prices")]
        sizes[gate] = group.size
        saved[gate] = 1.0 if count is None else float(count() - count({group.name: group.size - 1}))
    mean = sum(saved[gate] * size for gate, size in sizes.items()) / max(1, sum(sizes.values()))
    return {gate: cost / mean for gate, cost in saved.items()}
