"""When removing units pays: the settings of it, and the widths that a run with so many live units should have.

A decision weighs the multiply-adds saved against the programs that must be compiled, both counted, not timed: it
depends on the live units alone, so that an interrupted study ends as an uninterrupted one.

What was found on four CPU cores, with 784-2048-2048-10 networks whose live units fall to 128 over 30 epochs: a program
compiles in about a third of a second; a width that is no multiple of 16 makes a step take up to 1.6 times as long;
removing units as they die takes about a quarter of the time of masking them (234 steps an epoch); a change that must
save a tenth of a run's work, and more than its programs cost, keeps programs few, so that buckets can be fine: with
buckets 1.25 apart the training took 1.26 to 1.39 times as long as with exact widths and free compiling, with buckets
1.03 apart 1.20 times. `benchmarks/shrinking.py` measures this.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

from jaxsize.errors import InputError
from jaxsize.resizing.buckets import bucket

Widths = tuple[int, ...]  # one per group, in a fixed order


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shrinking:
    """How eagerly units are removed while training. Static.

    Raises:
        InputError: when a field is out of the range that its text gives.

    Example:
        >>> import math
        >>> from jaxsize.resizing import Shrinking
        >>> shrinking = Shrinking(factor=1.25, hysteresis=0.1)
        >>> shrinking.widths_for(live=(40, 61), allocated=(64, 64), cost=math.prod)  # 48 x 64 is a quarter less
        (48, 64)
        >>> shrinking.widths_for(live=(950, 990), allocated=(960, 1000), cost=math.prod)  # nothing to gain
        (960, 1000)
    """

    factor: float = 1.03
    """Ratio of neighbouring buckets, the widths to choose from: finite, 1 or more. It can be near 1, since `hysteresis`
    keeps programs few."""
    multiple: int = 16
    """Every bucket is a multiple of this number, 1 or more; 64 or 128 suit a GPU."""
    min_width: int = 1
    """Units that stay allocated in a layer, also when all are dead: 1 or more."""
    program_cost: float = 1e11
    """Multiply-adds that the whole machine could do while a program is compiled, 0 or more; four CPU cores do this many
    in about a second. 0: units are removed as soon as a bucket allows it."""
    hysteresis: float = 0.1
    """Units are removed from a run only where that saves at least this share of its work: 0 or more, below 1."""
    ahead: bool = True
    """Compile, while an epoch runs, the programs that the next epoch will need if live units go on falling as they
    did."""

    def __post_init__(self) -> None:
        checks = {
            "min_width": (self.min_width >= 1, "at least 1"),
            "program_cost": (self.program_cost >= 0, "0 or more"),
            "hysteresis": (0 <= self.hysteresis < 1, "a number from 0 to below 1"),
            "factor": (1 <= self.factor < math.inf, "a finite number of at least 1"),
        }
        for name, (is_right, expected) in checks.items():
            if not is_right:
                raise InputError(f"expected {expected}, got {getattr(self, name)}", field=name)
        bucket(1, multiple=self.multiple)  # raises for one out of range

    def widths_for(self, live: Sequence[int], allocated: Widths, cost: Callable[[Widths], float]) -> Widths:
        """Choose the widths of a run: the bucket of each group's live units, never above what is allocated.

        Args:
            live: live units of each group.
            allocated: units of each group that are allocated now.
            cost: multiply-adds of an epoch at given widths.

        Returns:
            The widths; `allocated` where the buckets would save less than the share `hysteresis` of its cost.
        """
        sizes = [bucket(max(count, self.min_width), factor=self.factor, multiple=self.multiple) for count in live]
        widths = tuple(min(size, width) for size, width in zip(sizes, allocated, strict=True))
        return widths if cost(widths) <= (1 - self.hysteresis) * cost(allocated) else allocated
