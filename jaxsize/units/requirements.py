"""What training with a price on gates asks of a network: gates that close their units, all of one kind."""

from collections.abc import Sequence

from jaxsize.errors import InputError
from jaxsize.gates._names import gate_name
from jaxsize.units._naming import group_of, is_single_unit
from jaxsize.units.groups import UnitGroups
from jaxsize.units.sizes import input_gates


def require_closing_gates(groups: UnitGroups, gates: Sequence[str]) -> None:
    """Require that a closed gate lets its unit be removed without a change of what the network computes.

    Gates of inputs, and of a layer with one unit, may remove nothing.

    Args:
        groups: the unit groups of the network.
        gates: names of its gates, as `gates.read_liveness` gives them.

    Raises:
        InputError: when the network reads a unit past its gate or does not read the gate, or fixes the number of units.

    Example:
        >>> import jax.numpy as jnp, numpy as np
        >>> import jaxsize
        >>> from jaxsize.units import require_closing_gates
        >>> def apply(params, inputs):  # the gate comes before an activation that is not 0 at 0
        ...     return jnp.cos(jaxsize.liveness_gate(inputs @ params["in"], params["liveness"])) @ params["out"]
        >>> params = {"in": np.ones((2, 3), "f4"), "liveness": np.ones(3, "f4"), "out": np.ones((3, 1), "f4")}
        >>> try:
        ...     require_closing_gates(jaxsize.unit_groups(apply, params, np.ones((1, 2), "f4")), ["liveness"])
        ... except ValueError as error:
        ...     print(str(error).split(" (")[0][:64])
        liveness: expected a gate that closes its units, but dot_general
    """
    of_inputs = input_gates(groups, gates)
    for gate in gates:
        if gate in of_inputs or is_single_unit(groups, gate):
            continue
        group = groups[group_of(groups, gate, where="gates")]
        closing = {gate_name(one.leaf) for gate_set in group.gates for one in gate_set if not group.recognised}
        unread = "" if gate in closing else "the network does not read it so"
        own_size = group.own_size and f"{group.own_size}; `units.resizable` makes a function of any size of it"
        reason = group.fixed or own_size or group.inexact or unread
        if reason:
            raise InputError(f"expected a gate that closes its units, but {reason}", field=gate)


def are_signed(groups: UnitGroups, gates: Sequence[str]) -> bool:
    """Tell whether gates are signed, closed at exactly 0, rather than relu gates, which are closed from 0 down.

    Args:
        groups: the unit groups of the network.
        gates: names of its gates, as `gates.read_liveness` gives them.

    Raises:
        InputError: when some are signed and others are not.

    Example:
        >>> import jax, jaxsize
        >>> from jaxsize.units import are_signed
        >>> network = jaxsize.mlp((4, 3, 2), gate="signed")
        >>> groups = jaxsize.unit_groups(network.apply, network.init(0), jax.numpy.ones((1, 4)))
        >>> are_signed(groups, ["hidden.0"])
        True
    """
    named = [group for group in groups.groups.values() if not group.recognised]  # the others' have no names
    sets = [one for group in named for gate_set in group.gates for one in gate_set]
    kinds = {one.closed_below: gate_name(one.leaf) for one in sets if gate_name(one.leaf) in gates}
    if len(kinds) > 1:
        raise InputError(f"expected gates of one kind, got {kinds[False]!r}, a signed one, beside {kinds[True]!r}")
    return False in kinds
