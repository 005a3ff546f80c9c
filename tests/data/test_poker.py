"""Poker: the rules against counts from the books and a slow labeller, test hands, and tables fetched from OpenML."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.data import REAL, needs_real, slow_class, training_rows, write_table
from hypothesis import given
from hypothesis import strategies as st

from jaxsize.data import load
from jaxsize.data._files.openml import _difference
from jaxsize.data._files.tables import read_rows
from jaxsize.data.sets import poker
from jaxsize.data.sets.poker import poker_classes

# All hands of five cards by class, as books on poker give them.
HANDS_BY_CLASS = [1_302_540, 1_098_240, 123_552, 54_912, 10_200, 5_108, 3_744, 624, 36, 4]
RANKS = {rank: value for value, rank in enumerate("A23456789TJQK", start=1)}


def class_of(hand: str) -> int:
    """The class of a hand such as "Ah Kd 2s 3s 4c"."""
    suits, ranks = [["shdc".index(card[1]) + 1 for card in hand.split()]], [[RANKS[card[0]] for card in hand.split()]]
    return int(poker_classes(np.array(suits), np.array(ranks))[0])


# ---- the rules


@pytest.mark.parametrize(
    ("hand", "expected"),
    [
        ("As Kd Qh Jc 9s", 0),
        ("Qs Kd Ah 2c 3s", 0),  # straights do not go round the corner
        ("2s 3d 4h 5c 7s", 0),
        ("7s 7d 2h 5c Ks", 1),
        ("7s 2d 7h 2c Ks", 2),
        ("7s 2d 7h 7c Ks", 3),
        ("5s 4d 3h 2c As", 4),
        ("Ts Ad Kh Jc Qs", 4),
        ("9s 6d 8h 7c Ts", 4),
        ("2s 9s 4s Ks As", 5),
        ("7s 2d 7h 7c 2s", 6),
        ("Ks Kd 2h Kh Kc", 7),
        ("5d 4d 3d 2d Ad", 8),
        ("9c Kc Jc Qc Tc", 8),
        ("Ac Kc Jc Qc Tc", 9),
    ],
)
def test_hands_made_by_hand(hand, expected):
    assert class_of(hand) == expected


def test_every_hand_there_is_counts_as_in_the_books():
    hands = itertools.chain.from_iterable(itertools.combinations(range(52), 5))
    cards = np.fromiter(hands, np.int8).reshape(-1, 5)
    classes = poker_classes(cards // 13 + 1, cards % 13 + 1)
    assert classes.dtype == np.int32
    assert np.bincount(classes).tolist() == HANDS_BY_CLASS


CARD = st.tuples(st.integers(1, 4), st.integers(1, 13))
# Few ranks or a single suit, so that the rare classes come up.
FEW_RANKS = st.tuples(st.integers(1, 4), st.integers(9, 12).map(lambda rank: rank % 13 + 1))
SUITED = st.tuples(st.just(2), st.sampled_from([1, 2, 3, 4, 5, 9, 10, 11, 12, 13]))


@given(st.one_of(*(st.lists(cards, min_size=5, max_size=5, unique=True) for cards in (CARD, FEW_RANKS, SUITED))))
def test_a_slow_labeller_agrees(hand):
    suits, ranks = np.array([hand]).transpose(2, 0, 1)
    assert poker_classes(suits, ranks).tolist() == [slow_class(hand)]


# ---- the data set


def write_poker(folder: Path, rows: list[list[str]]) -> Path:
    return write_table(folder / "poker" / poker.FILE_NAME, rows, ",", end="\r\n")


def hands_of(inputs: np.ndarray) -> list[frozenset[int]]:
    """Decodes rows of [N, 85] inputs, checking that each card has one suit and one rank."""
    suits, ranks = np.split(inputs.reshape(-1, 5, 17), [4], axis=2)
    assert (suits.sum(axis=2) == 1).all() and (ranks.sum(axis=2) == 1).all()
    return [frozenset(hand) for hand in (suits.argmax(axis=2) * 13 + ranks.argmax(axis=2)).tolist()]


def test_original_form_trains_on_every_row_one_hot(tmp_path):
    rows = training_rows()
    path = write_poker(tmp_path, rows)
    dataset = load("poker", data_dir=tmp_path, form="original", test_rows=500)
    assert dataset.validation is None
    assert dataset.train.inputs.dtype == np.uint8 and dataset.train.inputs.shape == (60, 85)
    for inputs, fields in zip(dataset.train.inputs, rows, strict=True):
        ones = [17 * card + offset for card in range(5) for offset in (0, 4)]
        expected = [start + int(field) - 1 for start, field in zip(ones, fields[:10], strict=True)]
        assert np.flatnonzero(inputs).tolist() == expected
    assert dataset.train.targets.tolist() == [int(fields[10]) for fields in rows]
    assert dataset.source.startswith(f"file {path}; test hands drawn at random")
    assert "not the published test rows" in dataset.source
    json.dumps(dataset.info)


def test_no_test_or_validation_hand_is_a_train_hand(tmp_path):
    write_poker(tmp_path, training_rows())
    first, again, other, more = (
        load("poker", data_dir=tmp_path, seed=seed, test_rows=rows)
        for seed, rows in ((0, 99), (0, 99), (1, 99), (0, 200))
    )
    assert first.validation is not None
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    np.testing.assert_array_equal(more.test.inputs[:99], first.test.inputs)
    train, validation, test = (hands_of(part.inputs) for part in (first.train, first.validation, first.test))
    assert len(train) + len(validation) == 60
    assert 6 <= len(validation) <= 12
    assert not set(train) & set(validation)
    assert not {*train, *validation} & set(test)
    assert all(len(hand) == 5 for hand in test)


def test_test_hands_are_uniform_over_what_the_file_leaves():
    known = np.unique(poker._hand_keys(np.array(list(itertools.combinations(range(26), 5)))))  # no black card
    cards, num_dropped = poker._draw_hands(np.random.default_rng(0), 100_000, known)
    assert not np.isin(poker._hand_keys(cards), known).any()
    expected = 100_000 * len(known) / (2_598_960 - len(known))
    assert abs(num_dropped - expected) < 5 * expected**0.5
    low = (cards < 26).mean(axis=0)  # by symmetry the same share for every place in the hand
    np.testing.assert_allclose(low, low.mean(), atol=5 * 0.5 / 100_000**0.5)
    cards, num_dropped = poker._draw_hands(np.random.default_rng(1), 200_000, np.array([], np.int64))
    assert num_dropped == 0
    counts = np.bincount(poker._classes(cards), minlength=10)
    chances = 200_000 * np.array(HANDS_BY_CLASS) / 2_598_960
    assert (abs(counts - chances) < 5 * np.maximum(chances, 1) ** 0.5).all()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,10,1,11,1,13,1,12,1,9", "expected 11 fields, got 10"),
        ("1,10,5,11,1,13,1,12,1,1,9", "suit 2 must be a whole number in 1..4, got 5"),
        ("1,10,1,11,1,14,1,12,1,1,9", "rank 3 must be a whole number in 1..13, got 14"),
        ("1,0,1,11,1,13,1,12,1,1,9", "rank 1 must be a whole number in 1..13, got 0"),
        ("1,10.5,1,11,1,13,1,12,1,1,9", "rank 1 must be a whole number in 1..13, got 10.5"),
        ("1,10,1,11,1,13,1,12,1,1,10", "class must be a whole number in 0..9, got 10"),
        ("1,10,1,11,1,nan,1,12,1,1,9", "rank 3 'nan' is not a finite float32 number"),
        ("1,10,1,11,1,X,1,12,1,1,9", "rank 3 'X' is not a number"),
        ("1,10,1,11,1,10,1,12,1,1,5", "the hand holds the same card twice"),
        ("1,10,1,11,1,13,1,12,1,1,8", "class 8, but by the rules the hand is of class 9"),
    ],
)
def test_damaged_poker_rows_are_named(tmp_path, line, message):
    rows = training_rows()
    path = write_poker(tmp_path, [*rows[:16], line.split(","), *rows[16:]])
    with pytest.raises(ValueError) as caught:
        load("poker", data_dir=tmp_path)
    assert str(caught.value) == f"{path}, line 17: {message}"


@pytest.mark.parametrize("test_rows", [0, 1_000_001, 5.0, True])
def test_test_rows_must_be_in_range(tmp_path, test_rows):
    with pytest.raises(ValueError, match="poker: test_rows must"):
        load("poker", data_dir=tmp_path, test_rows=test_rows)


def test_too_few_rows_for_validation(tmp_path):
    write_poker(tmp_path, training_rows(4))
    with pytest.raises(ValueError, match="poker: 4 rows are too few"):
        load("poker", data_dir=tmp_path)


@needs_real("poker", poker.FILE_NAME)
def test_real_poker():
    corrected, original = (load("poker", data_dir=REAL, form=form) for form in ("corrected", "original"))
    assert np.bincount(original.train.targets).tolist() == [12493, 10599, 1206, 513, 93, 54, 36, 6, 5, 5]
    assert corrected.validation is not None
    assert len(corrected.train) + len(corrected.validation) == 25_010
    assert 4_900 < len(corrected.validation) <= 5_002
    train, validation, test = (set(hands_of(p.inputs)) for p in (corrected.train, corrected.validation, corrected.test))
    assert len(train | validation) == 24_898
    assert not train & validation and not (train | validation) & test
    for inputs, target in zip(original.train.inputs, original.train.targets, strict=True):
        ones = np.flatnonzero(inputs) % 17
        assert slow_class([(suit + 1, rank - 3) for suit, rank in ones.reshape(5, 2).tolist()]) == target
    counts = np.bincount(corrected.test.targets, minlength=10)
    chances = 50_000 * np.array(HANDS_BY_CLASS) / 2_598_960
    assert counts.sum() == 50_000 and (abs(counts - chances) < 5 * np.maximum(chances, 1) ** 0.5).all()
    rows = read_rows(REAL / "poker" / poker.FILE_NAME, num_fields=11, delimiter=",")
    assert _difference([row.fields for row in rows], poker._OPENML) is None
