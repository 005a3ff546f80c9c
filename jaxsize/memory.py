"""Whether a batch of runs fits: what a program needs against what the device has."""

import os
from collections.abc import Sequence
from typing import Any

import jax

USABLE = 0.8  # share of the free memory that a study may plan with; the rest is the host's and the allocator's


def available_bytes(devices: Sequence[Any]) -> int:
    """Bytes that each of the devices may use. CPU devices share the machine's free memory."""
    if devices[0].platform != "cpu":
        stats = [device.memory_stats() or {} for device in devices]
        if all("bytes_limit" in found for found in stats):
            return int(USABLE * min(found["bytes_limit"] - found.get("bytes_in_use", 0) for found in stats))
    return int(USABLE * _free_host_bytes() / len(devices))


def _free_host_bytes() -> int:
    try:
        with open("/proc/meminfo") as lines:
            fields = dict(line.split(":", 1) for line in lines)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):  # not Linux: total instead of free memory
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def program_bytes(compiled: jax.stages.Compiled) -> int:
    """Bytes that a compiled program needs on one device: arguments, results and temporary memory; 0 if it does not
    say."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return 0
    reused = analysis.alias_size_in_bytes
    return analysis.argument_size_in_bytes + analysis.output_size_in_bytes - reused + analysis.temp_size_in_bytes


def gib(num_bytes: float) -> str:
    return f"{num_bytes / 2**30:.2g} GiB"
