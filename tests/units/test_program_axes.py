"""axes.py: the union-find of axes, against arrays of labels that NumPy reshapes and concatenates for real."""

import itertools
import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from jaxsize.units._program.axes import Axis, atoms, concatenated, find, fix, order, product, split, times_in, unify
from jaxsize.units._program.entries import kept_of, layout, resized, size_with, stride_of, units_of

settings = hypothesis.settings(deadline=None, max_examples=100)
ATOM = st.tuples(st.just("atom"), st.integers(0, 3))
TREES = st.recursive(
    ATOM,
    lambda parts: st.tuples(st.sampled_from(["product", "sum"]), st.lists(parts, min_size=1, max_size=3)),
    max_leaves=6,
)
SIZES = st.lists(st.integers(1, 4), min_size=4, max_size=4)


def axis_of(tree, atom_axes):
    """The axis of a tree over four atoms."""
    kind, content = tree
    if kind == "atom":
        return atom_axes[content]
    parts = [axis_of(part, atom_axes) for part in content]
    return product(parts) if kind == "product" else concatenated(parts)


def labels_of(tree, labels):
    """The same tree over arrays of labels [n, 4]: which unit of each atom an entry belongs to, or -1."""
    kind, content = tree
    if kind == "atom":
        return labels[content]
    arrays = [labels_of(part, labels) for part in content]
    if kind == "sum":
        return np.concatenate(arrays)
    joined = arrays[0]
    for array in arrays[1:]:  # of an atom times itself, the inner one names the unit
        shape = (len(joined), len(array), 4)
        inner, outer = np.broadcast_to(array[None], shape), np.broadcast_to(joined[:, None], shape)
        joined = np.where(inner >= 0, inner, outer).reshape(-1, 4)
    return joined


def arange_labels(sizes):
    labels = []
    for number, size in enumerate(sizes):
        labels.append(np.full((size, 4), -1))
        labels[-1][:, number] = np.arange(size)
    return labels


@settings
@hypothesis.given(tree=TREES, sizes=SIZES)
def test_units_are_where_numpy_puts_them(tree, sizes):
    atom_axes = [Axis(size) for size in sizes]
    axis = axis_of(tree, atom_axes)
    expected = labels_of(tree, arange_labels(sizes))
    assert find(axis).size == len(expected)
    present = set(atoms(axis))
    for number, atom in enumerate(atom_axes):
        units = expected[:, number]
        if atom not in present:  # a factor of size 1 is dropped
            assert sizes[number] == 1 or (units < 0).all()
            continue
        if sizes[number] > 1:
            np.testing.assert_array_equal(units_of(axis, atom), units)
            first, second = (np.flatnonzero(units == unit)[0] for unit in (0, 1))
            assert stride_of(axis, atom) == second - first


def cut_of(tree, kept, sizes):
    """Which entries are left, by cutting for real: bool [n]."""
    kind, content = tree
    if kind == "atom":
        return np.isin(np.arange(sizes[content]), kept[content])
    masks = [cut_of(part, kept, sizes) for part in content]
    if kind == "sum":
        return np.concatenate(masks)
    joined = masks[0]
    for mask in masks[1:]:
        joined = np.logical_and.outer(joined, mask).reshape(-1)
    return joined


@settings
@hypothesis.given(tree=TREES, sizes=SIZES, data=st.data())
def test_what_is_kept_and_the_size_after_are_those_of_the_cut_array(tree, sizes, data):
    atom_axes = [Axis(size) for size in sizes]
    axis = axis_of(tree, atom_axes)
    kept = []
    for size in sizes:  # units of size 1 are no units
        some = st.sets(st.integers(0, size - 1), min_size=1) if size > 1 else st.just({0})
        kept.append(np.array(sorted(data.draw(some))))
    given = {atom: index for atom, index in zip(atom_axes, kept, strict=True) if len(index) < atom.size}
    left = kept_of(axis, given)
    expected = np.flatnonzero(cut_of(tree, kept, sizes))
    np.testing.assert_array_equal(np.arange(axis.size) if left is None else left, expected)
    after = {atom: len(index) for atom, index in given.items()}
    copies = {atom: Axis(size) for atom, size in after.items()}
    assert size_with(axis, after) == len(expected) == find(resized(axis, copies)).size
    assert find(axis).size == len(labels_of(tree, arange_labels(sizes)))  # nothing given is changed


@settings
@hypothesis.given(factors=st.lists(st.integers(2, 3), min_size=1, max_size=4), data=st.data())
def test_an_atom_learns_how_it_is_cut(factors, data):
    # Two axes of the same entries, cut at different places; where each is a refinement of both, they become one.
    cuts = st.sets(st.integers(1, len(factors) - 1)) if len(factors) > 1 else st.just(set())

    def cut_at(places):
        bounds = [0, *sorted(places), len(factors)]
        return product([Axis(math.prod(factors[a:b])) for a, b in itertools.pairwise(bounds)])

    first, second = data.draw(cuts), data.draw(cuts)
    a, b = cut_at(first), cut_at(second)
    unify(a, b, "here")
    sizes = [atom.size for atom in atoms(cut_at(first | second))]
    assert list(atoms(a)) == list(atoms(b)) and [atom.size for atom in atoms(a)] == sizes
    assert not any(atom.fixed for atom in atoms(a))


@settings
@hypothesis.given(sizes=st.lists(st.integers(1, 3), min_size=2, max_size=4), data=st.data())
def test_sums_refine_each_other_at_any_place(sizes, data):
    total = sum(sizes)
    place = data.draw(st.integers(1, total - 1))
    a, b = concatenated([Axis(size) for size in sizes]), concatenated([Axis(place), Axis(total - place)])
    unify(a, b, "here")
    bounds = sorted({*np.cumsum([0, *sizes]).tolist(), place})
    assert [atom.size for atom in atoms(a)] == np.diff(bounds).tolist() == [atom.size for atom in atoms(b)]
    assert not any(atom.fixed for atom in atoms(a))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (product([Axis(4), Axis(6)]), product([Axis(6), Axis(4)])),
        (product([Axis(2), Axis(3)]), concatenated([Axis(2), Axis(4)])),
    ],
)
def test_axes_cut_in_two_ways_are_fixed(a, b):
    unify(a, b, "add at model.py:3")
    reasons = {atom.fixed for axis in (a, b) for atom in atoms(axis)}
    assert reasons == {"units are cut in two different ways that meet at add at model.py:3"}


def test_sizes_that_differ_cannot_meet():
    with pytest.raises(ValueError, match="add: axes of sizes 2 and 3 meet"):
        unify(Axis(2), Axis(3), "add")


def test_reasons_and_orders_reach_all_that_an_axis_becomes():
    atom, parts = Axis(6), [Axis(2), Axis(3)]
    fix(atom, "first")
    fix(atom, "second")
    unify(product(parts), atom, "here")
    assert [part.fixed for part in parts] == ["first", "first"]
    ordered, other = Axis(5), Axis(5)
    order(ordered, "iota")
    unify(other, ordered, "here")
    assert find(other).ordered == "iota" and not find(other).fixed


@pytest.mark.parametrize("how", ["split", "become", "late"])
def test_a_count_through_several_parts_fixes_them(how):
    atom, parts = Axis(6), [Axis(2), Axis(3)]
    order(product(parts) if how == "late" else atom, "iota at model.py:2")
    if how == "split":
        assert split(atom, "product", 2)
        parts = list(atoms(atom))
    elif how == "become":
        unify(atom, product(parts), "here")
    assert {find(part).fixed for part in parts} == {"iota at model.py:2 counts through units that are cut in two"}


def test_small_facts():
    a, b, one, none = Axis(4), Axis(3), Axis(1), Axis(0)
    assert product([one, a]) is a and product([one]).size == 1 and product([]).size == 1
    assert concatenated([none, a]) is a and concatenated([]).size == concatenated([none]).size == 0
    assert not split(a, "product", 3) and not split(a, "product", 4) and not split(product([a, b]), "product", 4)
    flat = product([Axis(7), Axis(7), a])
    assert layout(flat, a) == "7 * 7 * [4]" and stride_of(flat, a) == 1
    assert layout(product([Axis(7), a, b]), a) == "7 * [4] * 3" and stride_of(product([Axis(7), a, b]), a) == 3
    assert layout(product([Axis(2), concatenated([b, a])]), a) == "2 * (3 + [4])"
    assert [times_in(axis, a) for axis in (a, b, product([a, b, a]), concatenated([a, a]))] == [1, 0, 2, 1]
