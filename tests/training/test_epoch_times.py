"""What an epoch costs: which sizes are measured, by which clock, and what is said of the sizes between."""

import math

import numpy as np
import pytest
from helpers.shrinking import make_batch

from jaxsize.training import epoch_times
from jaxsize.training.epoch_times import EpochTimes, ladder, measure_epochs, runs_that_fill


def test_between_two_sizes_seconds_follow_a_power_law():
    times = EpochTimes((10.0, 1000.0, 4000.0), (2.0, 8.0, 8.0))
    np.testing.assert_allclose(times.at([10, 100, 1000, 2000, 4000]), [2, 4, 8, 8, 8], rtol=1e-12)
    np.testing.assert_allclose(times.at([0, 1, 10**6]), [2, 2, 8], rtol=1e-12)  # the nearest that is known
    np.testing.assert_allclose(EpochTimes((7.0,), (3.0,)).at([1, 7, 9]), [3, 3, 3], rtol=1e-12)


def test_a_ladder_has_geometric_rungs_from_end_to_end():
    shapes = [(width,) for width in range(1, 1025)]
    assert ladder(shapes, lambda shape: 3 * shape[0], most=6) == [(4**power,) for power in range(6)]
    rungs = ladder(shapes, lambda shape: shape[0])
    assert len(rungs) == 7 and rungs[0] == (1,) and rungs[-1] == (1024,)
    assert max(abs(math.log(width / 1024 ** (n / 6))) for n, (width,) in enumerate(rungs)) < 0.2
    assert ladder([(100,), (110,), (101,), (120,)], lambda shape: shape[0]) == [(100,), (120,)]  # too near for more
    assert ladder([(5, 2), (5, 2)], math.prod) == [(5, 2)]
    assert ladder([(8, 8), (1, 1), (2, 32)], math.prod) in ([(1, 1), (2, 32)], [(1, 1), (8, 8)])  # one of a price
    assert set(ladder(shapes[::100], lambda shape: shape[0])) <= set(shapes[::100])
    with pytest.raises(ValueError, match="ladder: expected a shape"):
        ladder([], math.prod)


class Device:
    def __init__(self, platform):
        self.platform = platform


def test_a_cpu_is_filled_by_a_run_per_device_and_an_accelerator_by_what_it_trains():
    assert runs_that_fill(24, [Device("cpu")] * 4) == 4 and runs_that_fill(2, [Device("cpu")] * 4) == 4
    assert runs_that_fill(24, [Device("gpu")]) == 24


class Timed:
    """Programs by a clock that only their epochs move: 2 seconds for 3 runs on 2 devices, a millisecond otherwise."""

    def __init__(self, monkeypatch, slow=()):
        self.now, self.log, self.slow, clock = 0.0, [], slow, self
        monkeypatch.setattr(epoch_times, "perf_counter", lambda: self.now)

        class Axis:
            devices = (0, 1)
            put = fetch = staticmethod(lambda state: state)

        class Program:
            axis, data = Axis(), "rows"

            def __init__(self, batch, num_runs, devices, *, data):
                assert data == ("rows" if clock.log else None)
                self.num_runs, clock.log = num_runs, [*clock.log, "made"]

            def start(self, runs):
                return 0

            def epoch(self, runs, state, epoch):
                assert epoch == state + 1 and len(runs) == self.num_runs
                clock.log.append(self.num_runs)
                clock.now += (2.0 if self.num_runs == 3 else 0.001) * (9 if len(clock.log) in clock.slow else 1)
                return epoch, {}, {}

        monkeypatch.setattr(epoch_times, "Program", Program)


@pytest.mark.parametrize("slow", [(), range(57, 61), range(1, 3)])
def test_seconds_are_those_of_a_device_and_a_passing_load_falls_on_no_size(monkeypatch, slow):
    """Slow are the first round of the small program and the second epoch of the large one, or what warms up."""
    timed = Timed(monkeypatch, slow)
    times = measure_epochs([range(3), range(4)])  # type: ignore[arg-type]
    assert times == pytest.approx([2.0 * 2 / 3, 0.001 * 2 / 4])
    assert timed.log[:3] == ["made", 3, 3] and timed.log[3] == "made"
    rounds = timed.log[timed.log.index("made", 3) + 1 :]
    several = (len(rounds) - rounds.count(3) - 1) // 4  # a first epoch, some to count, and three rounds of as many
    assert 50 <= several <= 51 and rounds == [4] * (several + 1) + 3 * ([3] + [4] * several)


def test_short_epochs_are_timed_in_more_rounds(monkeypatch):
    """A load that lasts as long as three rounds, 150 milliseconds, is no longer than all of them."""
    timed = Timed(monkeypatch, slow=range(52, 205))
    assert measure_epochs([range(4)]) == pytest.approx([0.001 * 2 / 4])  # type: ignore[arg-type]
    assert timed.now > 5


def test_real_programs_take_time(monkeypatch):
    monkeypatch.setattr(epoch_times, "SPAN", 0)
    batches = [make_batch(None, runs=range(4))] * 2
    times = measure_epochs(batches)
    assert len(times) == 2 and all(0 < seconds < 60 for seconds in times)
