"""Poker hands (UCI): five cards of a deck of 52, and the class that the rules of poker give them."""

import numbers
from pathlib import Path

import numpy as np

from jaxsize.data._draws import generator, hold_out
from jaxsize.data._files.openml import OpenmlTable, Part, openml_parts
from jaxsize.data._files.tables import Row, folder_with, read_numbers, read_rows
from jaxsize.data.dataset import Dataset, Form, Split
from jaxsize.errors import InputError

FILE_NAME = "poker-hand-training-true.data"
NUM_CLASSES = 10
NUM_SUITS, NUM_RANKS = 4, 13
CARD_INPUTS = NUM_SUITS + NUM_RANKS
MOST_TEST_ROWS = 1_000_000
_COLUMNS = {2 * card + field: f"{word} {card + 1}" for card in range(5) for field, word in enumerate(("suit", "rank"))}
_COLUMNS[10] = "class"
_LEAST, _LARGEST = np.array([1, 1] * 5 + [0]), np.array([NUM_SUITS, NUM_RANKS] * 5 + [NUM_CLASSES - 1])
_DRAWN_AT_ONCE = 1 << 16
_OPENML = OpenmlTable(
    query={"name": "poker-hand-training-true", "version": 1},
    num_fields=11,
    parts=(
        Part(
            25_010,
            dict(enumerate((62744, 174951, 62468, 175425, 62781, 175424, 62423, 173631, 62458, 174138, 15535))),
        ),
    ),
)


def poker_classes(suits: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Classify hands by the rules of poker.

    0 nothing, 1 one pair, 2 two pairs, 3 three of a kind, 4 straight (the ace counts low or high), 5 flush, 6 full
    house, 7 four of a kind, 8 straight flush, 9 royal flush.

    Args:
        suits: whole numbers [N, 5] in 1..4.
        ranks: whole numbers [N, 5] from 1 (ace) to 13 (king).

    Returns:
        The classes, int32 [N].

    Example:
        >>> import numpy as np
        >>> from jaxsize.data.sets.poker import poker_classes
        >>> suits = np.array([[1, 1, 1, 1, 1], [1, 2, 3, 4, 1]])
        >>> ranks = np.array([[1, 10, 11, 12, 13], [7, 7, 2, 2, 9]])
        >>> poker_classes(suits, ranks).tolist()
        [9, 2]
    """
    ranks = np.sort(ranks, axis=1)
    # The number of pairs of cards with the same rank tells everything but straights from each other.
    pairs = sum((ranks[:, i] == ranks[:, j]).astype(np.intp) for i in range(5) for j in range(i))
    flush = (suits == suits[:, :1]).all(axis=1)
    ace_high = (ranks == [1, 10, 11, 12, 13]).all(axis=1)
    straight = ace_high | ((pairs == 0) & (ranks[:, 4] - ranks[:, 0] == 4))
    by_pairs = np.array([0, 1, 2, 3, 6, -1, 7], np.int32)[pairs]
    rules = [flush & ace_high, flush & straight, flush, straight]
    return np.select(rules, [np.int32(9), np.int32(8), np.int32(5), np.int32(4)], by_pairs)


def load_poker(*, seed: int, form: Form, directory: Path, test_rows: int = 50_000) -> Dataset:
    """Load the 25 010 hands of UCI's training file, and draw test hands; 10 classes as in `poker_classes`.

    Inputs are uint8 [N, 85], 0 or 1, unscaled: for each card 4 for its suit, then 13 for its rank; targets are int32
    [N]. The test hands are NOT the published 1 000 000: they are drawn uniformly by `seed`, with the order of their
    cards, and labelled by the rules. Hands of the file, whatever the order of their cards, are left out; as the file
    holds all four royal flushes, no test hand is of class 9. The file has more of the rarest classes than chance gives.
    `info` has `file_rows`, `class_counts` by split, and `test_hands_dropped`, the number of hands drawn and left out
    because they are in the file.

    The rows are read from `directory`/poker/poker-hand-training-true.data, else from openml.csv beside it, in which
    rows fetched from OpenML are kept.

    Args:
        seed: draws the test hands and the validation rows.
        form: in the `corrected` form 20 % of the file's rows, drawn by `seed`, are validation rows; the few among them
            that repeat the hand of a train row, whatever the order of its cards, stay in train. In the `original` form
            every row of the file trains. The test hands are the same.
        directory: where the file is, or is written to.
        test_rows: the number of test hands, 1..1 000 000. More hands of the same seed begin with the fewer.

    Raises:
        InputError: when `test_rows` is out of range, the file has impossible cards or wrong classes, or there are too
            few rows to hold out a fifth.
        DatasetNotFoundError: when there is nothing to read and fetching the rows from OpenML fails.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxsize.data import load
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "poker", "poker-hand-training-true.data")
        ...     path.parent.mkdir()
        ...     _ = path.write_text("1,1,1,10,1,11,1,12,1,13,9\\n")
        ...     poker = load("poker", data_dir=folder, form="original", test_rows=100)
        >>> poker.train.inputs.shape, poker.train.targets.tolist(), len(poker.test)
        ((1, 85), [9], 100)
    """
    if isinstance(test_rows, bool) or not isinstance(test_rows, numbers.Integral):
        raise InputError(f"poker: test_rows must be a whole number, got {test_rows!r}")
    if not 1 <= test_rows <= MOST_TEST_ROWS:
        raise InputError(f"poker: test_rows must lie in 1..{MOST_TEST_ROWS}, got {test_rows}")
    rows, source = _read(directory)
    cards, labels = _checked(rows)
    keys = _hand_keys(cards)
    test_cards, num_dropped = _draw_hands(generator(seed, "poker", "test"), int(test_rows), keys)
    splits = {"train": _split(cards, labels), "test": _split(test_cards, _classes(test_cards))}
    if form == "corrected":
        if len(cards) < 5:
            raise InputError(f"poker: {len(cards)} rows are too few to hold out a fifth for validation ({source})")
        kept, held = hold_out(len(cards), len(cards) // 5, generator(seed, "poker", "validation"))
        repeated = np.isin(keys[held], keys[kept])
        kept, held = np.sort(np.concatenate([kept, held[repeated]])), held[~repeated]
        splits["train"] = _split(cards[kept], labels[kept])
        splits["validation"] = _split(cards[held], labels[held])
    return Dataset(
        name="poker",
        task="classification",
        num_outputs=NUM_CLASSES,
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits["test"],
        input_scale=np.asarray(1, np.float32),
        input_shift=np.asarray(0, np.float32),
        input_shape=(5 * CARD_INPUTS,),
        source=f"{source}; test hands drawn at random and labelled by the rules, not the published test rows",
        info={
            "file_rows": len(cards),
            "test_hands_dropped": num_dropped,
            "class_counts": {
                part: np.bincount(split.targets, minlength=NUM_CLASSES).tolist() for part, split in splits.items()
            },
        },
    )


def _read(directory: Path) -> tuple[list[Row], str]:
    if folder := folder_with("poker", directory, [FILE_NAME]):
        path = folder / FILE_NAME
        return read_rows(path, num_fields=len(_COLUMNS), delimiter=","), f"file {path}"
    (rows,), path = openml_parts("poker", _OPENML, directory / "poker", [FILE_NAME])
    return rows, f"rows from OpenML in {path}"


def _checked(rows: list[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Check rows; return cards [N, 5] int64, 0..51 by suit, then rank, and classes [N] int32, which fit the rules."""
    table = read_numbers(rows, _COLUMNS)
    wrong = np.argwhere((table < _LEAST) | (table > _LARGEST) | (table != np.floor(table)))
    if wrong.size:
        row, column = wrong[0]
        limits = f"{_LEAST[column]}..{_LARGEST[column]}"
        text = rows[row].fields[column]
        raise InputError(f"{rows[row].place}: {_COLUMNS[column]} must be a whole number in {limits}, got {text}")
    table = table.astype(np.int64)
    cards, labels = (table[:, 0:10:2] - 1) * NUM_RANKS + table[:, 1:10:2] - 1, table[:, 10].astype(np.int32)
    if (twice := np.flatnonzero(_repeats_a_card(cards))).size:
        raise InputError(f"{rows[twice[0]].place}: the hand holds the same card twice")
    by_rules = _classes(cards)
    if (wrong := np.flatnonzero(labels != by_rules)).size:
        row = wrong[0]
        raise InputError(
            f"{rows[row].place}: class {labels[row]}, but by the rules the hand is of class {by_rules[row]}"
        )
    return cards, labels


def _draw_hands(rng: np.random.Generator, num_hands: int, known: np.ndarray) -> tuple[np.ndarray, int]:
    """Draw hands [num_hands, 5] of cards 0..51, uniform over all but those whose key is in `known`.

    Returns also how many hands were drawn and dropped for their key. Hands are drawn in blocks of a fixed size, so that
    more hands of the same seed begin with the fewer.
    """
    blocks, num_taken, num_dropped = [], 0, 0
    while num_taken < num_hands:
        cards = rng.integers(NUM_SUITS * NUM_RANKS, size=(_DRAWN_AT_ONCE, 5))
        cards = cards[~_repeats_a_card(cards)]
        is_known = np.isin(_hand_keys(cards), known)
        taken = np.flatnonzero(~is_known)[: num_hands - num_taken]
        num_dropped += int(is_known[: taken[-1] + 1].sum()) if taken.size else len(cards)
        num_taken += len(taken)
        blocks.append(cards[taken])
    return np.concatenate(blocks), num_dropped


def _repeats_a_card(cards: np.ndarray) -> np.ndarray:
    return (np.diff(np.sort(cards, axis=1), axis=1) == 0).any(axis=1)


def _hand_keys(cards: np.ndarray) -> np.ndarray:
    """Number hands, [N] int64; a hand has the same number for every order of the cards."""
    return np.sort(cards, axis=1) @ (NUM_SUITS * NUM_RANKS) ** np.arange(5)


def _classes(cards: np.ndarray) -> np.ndarray:
    return poker_classes(cards // NUM_RANKS + 1, cards % NUM_RANKS + 1)


def _split(cards: np.ndarray, labels: np.ndarray) -> Split:
    inputs = np.zeros((len(cards), 5, CARD_INPUTS), np.uint8)
    np.put_along_axis(inputs, (cards // NUM_RANKS)[:, :, None], 1, axis=2)
    np.put_along_axis(inputs, (NUM_SUITS + cards % NUM_RANKS)[:, :, None], 1, axis=2)
    return Split(inputs.reshape(len(cards), -1), labels)
