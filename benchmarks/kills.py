"""Whether a study that is killed again and again ends as one that nobody disturbs.

    python -m benchmarks.kills                 100 kills at random moments, 20 of pairs, 20 at events: half an hour
    python -m benchmarks.kills --smoke         one pair of the sparsifier alone

Five studies, small, saved after every epoch. A chain starts a study with --resume, kills it (SIGKILL) after a random
time, that of importing Python's packages included, and goes on until it has been killed often enough; then the study
may end. In a chain of pairs two processes start on one folder at once: one of them must end with status 2 and a line
that says so, unless the other was dead already. In a chain at events, the kill follows the moment at which the removal
of units, or the widening of layers, is written down.

Every chain must end with the rows, the summary, the networks and the histories of the undisturbed study, but for what
is measured in seconds (`_studies.MEASURED`).
"""

import dataclasses
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks._studies import SMALL, outcome, start
from benchmarks._timing import Promise, device_name, machine, num_cores, report, run
from jaxsize.text_tables import format_table

LONGEST = 600.0  # seconds; a process that takes longer hangs
KINDS = {"sparsifier": "compaction", "compress": "compaction", "random_slope": "widening"}


@dataclasses.dataclass(frozen=True)
class Flags:
    """How often is killed."""

    kills: int = 100
    """Kills at random moments, over all studies."""
    pairs: int = 20
    """Kills of one of two processes on one folder."""
    events: int = 20
    """Kills when units have been removed or layers widened."""
    studies: tuple[str, ...] = tuple(SMALL)
    """The studies."""
    seed: int = 0
    """Names the moments."""
    smoke: bool = False
    """Tiny numbers, to show that everything works; nothing is written."""


SMOKE = {"kills": 0, "pairs": 1, "events": 0, "studies": ("sparsifier",)}


@dataclasses.dataclass
class Chain:
    """The processes that work on one folder, one after the other or two at a time."""

    study: str
    kind: str
    wanted: int
    folder: Path
    cache: Path
    seconds: float
    """Seconds of the undisturbed study."""
    chance: random.Random
    kills: int = 0
    ends: Counter = dataclasses.field(default_factory=Counter)
    """Ends of processes that were not killed."""

    def go(self) -> "Chain":
        """Kill until it is enough, or the study has ended; then let it end."""
        while self.kills < self.wanted and not (self.folder / "summary.json").exists():
            self._round()
        if not (self.folder / "summary.json").exists():
            self._ended(start(self.study, self.folder, self.cache))
        return self

    def _round(self) -> None:
        processes = [start(self.study, self.folder, self.cache) for _ in range(1 + (self.kind == "pairs"))]
        if self.kind == "events":
            self._wait_for_event(processes[0])
        else:
            time.sleep(self.chance.uniform(0, self.seconds))
        victim = self.chance.choice(processes)
        victim.send_signal(signal.SIGKILL)
        for process in processes:
            if process is not victim:  # goes on, or was refused
                time.sleep(self.chance.uniform(0, self.seconds / 4))
                process.send_signal(signal.SIGKILL)
            self._ended(process)

    def _wait_for_event(self, process: subprocess.Popen) -> None:
        before = self._num_events()
        while process.poll() is None and self._num_events() == before:
            time.sleep(0.002)
        time.sleep(self.chance.uniform(0, 0.02))

    def _num_events(self) -> int:
        files = sorted((self.folder / "events").glob("*.jsonl"))
        return sum(path.read_bytes().count(f'"{KINDS[self.study]}"'.encode()) for path in files)

    def _ended(self, process: subprocess.Popen) -> None:
        _, error = process.communicate(timeout=LONGEST)
        if process.returncode == -signal.SIGKILL:
            self.kills += 1
        elif process.returncode == 2 and "is in use by another process" in error and error.count("\n") == 1:
            self.ends["refused"] += 1
        else:
            self.ends[f"status {process.returncode}"] += 1
            if process.returncode:
                print(f"{self.study}, {self.kind}: {error}")


def main(flags: Flags) -> int:
    """Kill, compare, print and write the results; return the exit status."""
    chance, began = random.Random(flags.seed), time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(num_cores()) as threads:
        cache = Path(scratch, "programs")
        wholes, seconds = {}, {}
        for study in flags.studies:
            for _ in range(1 if flags.smoke else 2):  # the second one finds compiled programs
                folder = Path(tempfile.mkdtemp(dir=scratch))
                clock = time.perf_counter()
                Chain(study, "undisturbed", 0, folder, cache, 0.0, chance).go()
                seconds[study] = time.perf_counter() - clock
                wholes[study] = outcome(folder)
        chains: list[Chain] = []
        left = {"random": flags.kills, "pairs": flags.pairs, "events": flags.events}
        while any(number > 0 for number in left.values()):
            batch = []
            for study in flags.studies:
                for kind in left:
                    if left[kind] > 0 and (kind != "events" or study in KINDS):
                        wanted = min(4, left[kind])
                        folder = Path(tempfile.mkdtemp(dir=scratch))
                        one = random.Random(chance.random())
                        batch.append(Chain(study, kind, wanted, folder, cache, seconds[study], one))
            for chain in threads.map(Chain.go, batch):
                left[chain.kind] -= chain.kills
                chains.append(chain)
            print(f"{sum(chain.kills for chain in chains)} kills in {time.perf_counter() - began:.0f} s", flush=True)
            if flags.smoke:  # one chain a kind, killed or not: the process that was refused may be the one to be killed
                break
            if not any(chain.kills for chain in chains[-len(batch) :]):
                raise SystemExit("the studies end before they can be killed")
        equal = [outcome(chain.folder) == wholes[chain.study] for chain in chains]
    lines, found = [], {}
    for study in flags.studies:
        for kind in left:
            mine = [i for i, chain in enumerate(chains) if (chain.study, chain.kind) == (study, kind)]
            if not mine:
                continue
            kills, same = sum(chains[i].kills for i in mine), sum(equal[i] for i in mine)
            ends = sum((chains[i].ends for i in mine), Counter())
            told = ", ".join(f"{end}: {number}" for end, number in sorted(ends.items()))
            lines.append([study, kind, str(kills), f"{same} of {len(mine)}", told])
            found[f"{study}, {kind}"] = {"kills": kills, "chains": len(mine), "equal": same, "ends": dict(ends)}
    print(format_table(["study", "kills at", "kills", "ended equal", "other ends of processes"], lines))
    odd = sum(n for chain in chains for end, n in chain.ends.items() if end not in ("refused", "status 0"))
    promises = [
        Promise("chains that ended otherwise", equal.count(False), at_most=0),
        Promise("processes that failed", odd, at_most=0),
    ]
    row = machine() | {"settings": dataclasses.asdict(flags), "undisturbed_seconds": seconds, "chains": found}
    row |= {"device": device_name(), "seconds": time.perf_counter() - began}
    if flags.smoke and not all(promise.kept for promise in promises):
        return 1
    some = "" if set(flags.studies) == set(SMALL) else "-" + "-".join(flags.studies)
    return report(f"kills{some}", device_name(), row, promises, smoke=flags.smoke)


if __name__ == "__main__":
    run(main, Flags, SMOKE)
