"""A teacher with a known right width: labels made by a random ReLU network in which every hidden unit matters."""

import dataclasses
import math
import numbers

import numpy as np

from jaxsize.data._draws import generator
from jaxsize.data.dataset import Dataset, Form, Split, Task
from jaxsize.errors import InputError

_REFERENCE_ROWS = 8192
_BALANCE_STEPS = 300
_BIAS_RANGE = 0.25


@dataclasses.dataclass(frozen=True, eq=False)
class Teacher:
    """A network with one hidden layer of W ReLU units, D standard normal inputs and K outputs, all in float64.

    Unit norms in and out and small biases make the units about equally important: removing any one of them shows in the
    outputs.

    Example:
        >>> import numpy as np
        >>> from jaxsize.data.sets.teacher import Teacher
        >>> teacher = Teacher(
        ...     in_kernel=np.array([[1.0, -1.0]]), in_bias=np.zeros(2), out_kernel=np.ones((2, 1)), out_bias=np.zeros(1)
        ... )
        >>> teacher(np.array([[2.0], [-3.0]])).tolist()
        [[2.0], [3.0]]
    """

    in_kernel: np.ndarray
    """[D, W], columns of norm 1."""
    in_bias: np.ndarray
    """[W], within +-0.25."""
    out_kernel: np.ndarray
    """[W, K]. K > 1: rows of norm 1 and sum 0 (a shift common to all logits decides nothing)."""
    out_bias: np.ndarray
    """[K]."""

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Compute the outputs, float64 [N, K], for inputs [N, D] of any floating dtype."""
        hidden = np.maximum(inputs.astype(np.float64) @ self.in_kernel + self.in_bias, 0)
        return hidden @ self.out_kernel + self.out_bias


def make_teacher(*, seed: int, num_inputs: int, width: int, num_outputs: int) -> Teacher:
    """Make the teacher of a seed.

    Args:
        seed: draws the weights.
        num_inputs: D, at least 1.
        width: W, the number of hidden units, at least 1.
        num_outputs: K. 1: the output has mean 0 and standard deviation 1 over the inputs. More: the outputs are logits,
            with offsets that make the classes about equally frequent, as far as so few units and inputs can tell so
            many classes apart (8 units and 10 inputs can for 100 classes, 2 units cannot for 10).

    Example:
        >>> import numpy as np
        >>> from jaxsize.data.sets.teacher import make_teacher
        >>> teacher = make_teacher(seed=0, num_inputs=4, width=3, num_outputs=1)
        >>> np.linalg.norm(teacher.in_kernel, axis=0).round(6).tolist()
        [1.0, 1.0, 1.0]
    """
    rng = generator(seed, "teacher", "weights")
    in_kernel = _spread_directions(num_inputs, width, rng)
    in_bias = rng.uniform(-_BIAS_RANGE, _BIAS_RANGE, width)
    out_kernel = rng.standard_normal((width, num_outputs))
    if num_outputs > 1:
        out_kernel -= out_kernel.mean(axis=1, keepdims=True)
    out_kernel /= np.linalg.norm(out_kernel, axis=1, keepdims=True)

    raw = Teacher(in_kernel, in_bias, out_kernel, np.zeros(num_outputs))
    outputs = raw(generator(seed, "teacher", "reference").standard_normal((_REFERENCE_ROWS, num_inputs)))
    offset = -outputs.mean(axis=0)
    if num_outputs == 1:
        std = outputs.std()
        return Teacher(in_kernel, in_bias, out_kernel / std, offset / std)
    return Teacher(in_kernel, in_bias, out_kernel, offset + _balancing_offset(outputs + offset))


def load_teacher(
    *,
    seed: int,
    form: Form,
    num_rows: int = 20_000,
    num_inputs: int = 10,
    width: int = 8,
    num_classes: int = 10,
    noise: float = 0.0,
    task: Task = "classification",
) -> Dataset:
    """Draw standard normal inputs, and label them by `make_teacher`'s network of `width` hidden units.

    Inputs are float32 [N, num_inputs], unscaled. `info` has `teacher_width`, `noise` and the best possible
    `best_accuracy` or `best_mse`. No file is needed.

    Args:
        seed: draws the teacher and the rows.
        form: the `original` form has no validation rows; train and test rows are the same.
        num_rows: number of train rows, at least 1; validation and test have a quarter as many each (at least 1).
        num_inputs: at least 1.
        width: number of the teacher's hidden units, at least 1.
        num_classes: at least 2; not used in regression.
        noise: in classification the share of labels, 0..1, that are drawn anew, uniformly, from all classes; in
            regression the standard deviation of normal noise that is added to the targets.
        task: "classification" labels by the largest of `num_classes` logits; "regression" has the teacher's one
            standardised output as target.

    Raises:
        InputError: when an option is out of its range.

    Example:
        >>> from jaxsize.data.sets.teacher import load_teacher
        >>> teacher = load_teacher(seed=0, form="corrected", num_rows=8, task="regression", noise=0.5)
        >>> len(teacher.train), len(teacher.test), teacher.info
        (8, 2, {'teacher_width': 8, 'noise': 0.5, 'best_mse': 0.25})
    """
    for option, value, least in (
        ("num_rows", num_rows, 1),
        ("num_inputs", num_inputs, 1),
        ("width", width, 1),
        ("num_classes", num_classes, 2),
    ):
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
            raise InputError(f"teacher: {option} must be a whole number of at least {least}, got {value!r}")
    if task not in ("classification", "regression"):
        raise InputError(f"teacher: task must be classification or regression, got {task!r}")
    most_noise = 1.0 if task == "classification" else math.inf
    if not (isinstance(noise, numbers.Real) and 0 <= noise <= most_noise and noise < math.inf):
        raise InputError(f"teacher: noise must lie in 0..{most_noise:g} for {task}, got {noise!r}")

    num_outputs = num_classes if task == "classification" else 1
    teacher = make_teacher(seed=seed, num_inputs=num_inputs, width=width, num_outputs=num_outputs)

    def draw(part: str, rows: int) -> Split:
        rng = generator(seed, "teacher", part)
        inputs = rng.standard_normal((rows, num_inputs), dtype=np.float32)
        outputs = teacher(inputs)
        if task == "regression":
            noisy = outputs[:, 0] + noise * rng.standard_normal(rows)
            return Split(inputs, noisy.astype(np.float32), outputs[:, 0].astype(np.float32))
        labels = outputs.argmax(axis=1)
        redrawn = np.where(rng.random(rows) < noise, rng.integers(num_outputs, size=rows), labels)
        return Split(inputs, redrawn.astype(np.int32))

    if task == "regression":
        best = {"best_mse": float(noise) ** 2}
    else:
        best = {"best_accuracy": 1 - float(noise) * (1 - 1 / num_outputs)}
    quarter = max(1, num_rows // 4)
    return Dataset(
        name="teacher",
        task=task,
        num_outputs=int(num_outputs),
        train=draw("train", num_rows),
        validation=None if form == "original" else draw("validation", quarter),
        test=draw("test", quarter),
        input_scale=np.asarray(1, np.float32),
        input_shift=np.asarray(0, np.float32),
        input_shape=(int(num_inputs),),
        source="drawn from a random teacher network",
        info={"teacher_width": int(width), "noise": float(noise), **best},
    )


def _spread_directions(num_inputs: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Draw unit columns [num_inputs, width], at right angles to each other within every `num_inputs` columns."""
    blocks = [
        np.linalg.qr(rng.standard_normal((num_inputs, num_inputs)))[0] * rng.choice([-1.0, 1.0], num_inputs)
        for _ in range(-(-width // num_inputs))
    ]
    return np.concatenate(blocks, axis=1)[:, :width]


def _balancing_offset(logits: np.ndarray) -> np.ndarray:
    """Compute what to add to logits [N, K] so that each of the K is the largest about equally often: [K], sum 0.

    Descends the convex function mean(max(logits + offset)) - mean(offset), whose gradient is the class frequencies
    less 1 / K; steps shrink and the offsets of the second half of the steps are averaged.
    """
    num_rows, num_classes = logits.shape
    unit = logits.std() * math.sqrt(num_classes)
    offset, total = np.zeros(num_classes), np.zeros(num_classes)
    for step in range(_BALANCE_STEPS):
        counts = np.bincount((logits + offset).argmax(axis=1), minlength=num_classes)
        offset = offset - unit / math.sqrt(1 + step) * (counts / num_rows - 1 / num_classes)
        if step >= _BALANCE_STEPS // 2:
            total += offset
    return total / (_BALANCE_STEPS - _BALANCE_STEPS // 2)
