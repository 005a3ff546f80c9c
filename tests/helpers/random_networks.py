"""Random networks with a record of their own of which entry of which parameter belongs to which unit."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np

import jaxsize
from helpers.groups import conv, normal, row


class Built:
    """A random network, with its own record of which entry of which parameter belongs to which unit.

    Values are (name, spatial sizes or (), labels, closings): labels[i] = (group, unit) of feature i; closings[group]
    tells, from the states of all gates, whether the unit's entries are 0.
    """

    def __init__(self, draw, squash):
        self.draw, self.squash = draw, squash
        self.steps, self.params, self.labels, self.readers = [], {}, {}, {}
        self.count = 0
        size = draw(st.integers(2, 3))
        value = ("x", draw(st.sampled_from([(), (4, 4), (2, 4)])), [("inputs", i) for i in range(size)], {})
        self.inputs = normal(7, 3, *value[1], size)
        value = self.layer(value)
        for _ in range(draw(st.integers(1, 5))):
            kinds = ["layer", "gate", "gate", "activation", "fork", "residual", "linear_unit", "rows"]
            kinds += [] if value[1] else ["loop"]
            kinds += ["pool", "flatten"] if value[1] else []
            value = getattr(self, draw(st.sampled_from(kinds)))(value)
        value = self.flatten(value) if value[1] else value
        self.layer(value, labels=[("outputs", i) for i in range(2)])

    def step(self, apply, value, spatial=None, labels=None, closings=None):
        name = f"v{len(self.steps)}"
        self.steps.append((name, apply))
        return (name, value[1] if spatial is None else spatial, labels or value[2], closings or {})

    def leaf(self, name, shape, labels):
        """A parameter; labels: {axis: labels of its entries}."""
        self.params[name] = normal(len(self.params), *shape)
        self.labels |= {(name, axis): entries for axis, entries in labels.items()}

    def layer(self, value, labels=None):
        name, spatial, inputs, closings = value
        for group in {group for group, _ in inputs}:
            self.readers.setdefault(group, []).append(closings.get(group))
        self.count += 1
        layer = f"layer{self.count}"
        if labels is None:
            labels = [(layer, i) for i in range(self.draw(st.integers(2, 4)))]
        window = (3, 3) if spatial else ()
        self.leaf(
            f"{layer}.kernel", (*window, len(inputs), len(labels)), {len(window): inputs, len(window) + 1: labels}
        )
        self.leaf(f"{layer}.bias", (len(labels),), {0: labels})
        contract = conv if spatial else jnp.matmul

        def apply(p, v):
            return contract(v[name], p[f"{layer}.kernel"]) + row(p[f"{layer}.bias"], v[name].ndim)

        return self.step(apply, value, labels=labels)

    def gate(self, value):
        name, _, labels, closings = value
        self.count += 1
        leaf, kind = f"gate{self.count}.liveness", self.draw(st.sampled_from(["relu", "signed"]))
        self.leaf(leaf, (len(labels),), {0: labels})
        self.params[leaf] = np.float32(0.5) + abs(self.params[leaf])

        def shut(states):
            return states[leaf] == 0 or (states[leaf] < 0 and kind == "relu")

        def closing(old):
            return lambda states: shut(states) or (old is not None and old(states))

        def apply(p, v):
            return v[name] * row(jaxsize.relu(p[leaf]) if kind == "relu" else p[leaf], v[name].ndim)

        return self.step(apply, value, closings={group: closing(closings.get(group)) for group, _ in labels})

    def activation(self, value):
        name = value[0]
        return self.step(lambda p, v: self.squash(v[name]), value, closings=value[3])

    def linear_unit(self, value):
        """A layer of twice as many units, of which one half gates the other: cut by slices, by split or by steps."""
        self.count += 1
        labels = [(f"half{self.count}", i) for i in range(self.draw(st.integers(2, 4)))]
        how = self.draw(st.sampled_from(["slices", "split", "every second"]))
        twice = [label for label in labels for _ in range(2)] if how == "every second" else labels * 2
        name = self.layer(value, twice)[0]

        def apply(p, v):
            units = v[name]
            n = units.shape[-1] // 2
            if how == "split":
                one, other = jnp.split(units, 2, -1)
            elif how == "slices":
                one, other = units[..., :n], units[..., n:]
            else:
                one, other = units[..., ::2], units[..., 1::2]
            return one * jax.nn.sigmoid(other)

        return self.step(apply, value, labels=labels)

    def rows(self, value):
        """What mixes examples, and none of the units."""
        name = value[0]
        order = np.array([2, 0, 0])
        change = self.draw(
            st.sampled_from(
                [
                    lambda a: a[order],
                    lambda a: jnp.sort(a, 0),
                    lambda a: jnp.cumsum(a, 0),
                    lambda a: a.at[1].set(a[0]),
                    lambda a: jax.ops.segment_sum(a, order, 3),
                    lambda a: jax.lax.dynamic_slice_in_dim(jnp.pad(a, [(1, 1)] + [(0, 0)] * (a.ndim - 1)), 1, 3, 0),
                    lambda a: jax.lax.while_loop(lambda c: jnp.abs(c[0]) < 2, lambda c: (c[0] + 1, c[1] / 2), (0, a))[
                        1
                    ],
                ]
            )
        )
        return self.step(lambda p, v: change(v[name]), value, closings=value[3])

    def loop(self, value):
        """A few turns of a layer back to the same units, with a gate."""
        name, _, labels, closings = value
        self.count += 1
        leaf, kernel = f"gate{self.count}.liveness", f"loop{self.count}.kernel"
        self.leaf(leaf, (len(labels),), {0: labels})
        self.leaf(kernel, (len(labels), len(labels)), {0: labels, 1: labels})
        self.params[leaf] = np.float32(0.5) + abs(self.params[leaf])
        after = {}
        for group in {group for group, _ in labels}:
            before = closings.get(group)
            if before is not None:
                after[group] = lambda states, before=before: states[leaf] <= 0 and before(states)
            self.readers.setdefault(group, []).append(after.get(group))

        def apply(p, v):
            def turn(units, _):
                return self.squash(units @ p[kernel]) * row(jaxsize.relu(p[leaf])), None

            return jax.lax.scan(turn, v[name], length=2)[0]

        return self.step(apply, value, closings=after)

    def pool(self, value):
        name, (height, width), _, closings = value
        if self.draw(st.booleans()):
            start, combine = 0.0, jax.lax.add
        else:
            start, combine = -jnp.inf, jax.lax.max
        if height < 2 or width < 2:
            return value

        def apply(p, v):
            return jax.lax.reduce_window(v[name], start, combine, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

        return self.step(apply, value, (height // 2, width // 2), closings=closings)

    def flatten(self, value):
        name, spatial, labels, closings = value
        first = self.draw(st.booleans())  # channels first, or last
        many = int(np.prod(spatial))
        spread = [label for label in labels for _ in range(many)] if first else labels * many

        def apply(p, v):
            moved = jnp.transpose(v[name], (0, 3, 1, 2)) if first else v[name]
            return moved.reshape(len(moved), -1)

        return self.step(apply, value, (), spread, closings)

    def two(self, a, b, combine, labels):
        """The sum or concatenation of two values: closed where both are, or the one that has the group."""
        closings = {}
        for group in dict.fromkeys(group for group, _ in labels):
            parts = [v[3].get(group) for v in (a, b) if any(group == one for one, _ in v[2])]
            if all(parts):
                closings[group] = lambda states, parts=tuple(parts): all(part(states) for part in parts)
        return self.step(lambda p, v: combine(v[a[0]], v[b[0]]), a, labels=labels, closings=closings)

    def fork(self, value):
        other = self.maybe_gated(self.layer(value)) if self.draw(st.booleans()) else self.maybe_gated(value)
        if self.draw(st.booleans()):
            return self.two(value, other, lambda a, b: jnp.concatenate([a, b], -1), value[2] + other[2])

        def turned(a, b):  # the parts of a concatenation in another order
            both = jnp.concatenate([a, b], -1)
            return jnp.concatenate([both[..., a.shape[-1] :], both[..., : a.shape[-1]]], -1)

        return self.two(value, other, turned, other[2] + value[2])

    def residual(self, value):
        return self.two(value, self.maybe_gated(self.layer(value, value[2])), jnp.add, value[2])

    def maybe_gated(self, value):
        return self.gate(value) if self.draw(st.booleans()) else value

    def apply(self, params, x):
        values = {"x": x}
        for name, apply in self.steps:
            values[name] = apply(params, values)
        return values[self.steps[-1][0]]

    def removable(self):
        """{group: {(leaf, axis): unit of every entry}} of all groups that neither inputs nor outputs have."""
        groups = {}
        for place, labels in self.labels.items():
            for group in {group for group, _ in labels} - {"inputs", "outputs"}:
                units = tuple(unit if owner == group else -1 for owner, unit in labels)
                groups.setdefault(group, {})[place] = units
        return {group: places for group, places in groups.items() if max(map(max, places.values())) > 0}

    def is_closed(self, group, states):
        return all(reader is not None and reader(states) for reader in self.readers[group])
