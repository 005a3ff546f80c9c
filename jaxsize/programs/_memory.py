"""Whether a batch of runs fits: the memory that a program needs against the memory that the devices have."""

import os
from collections.abc import Sequence
from typing import Any

import jax

USABLE = 0.8  # share of the free memory that a study may plan with; the rest is the host's and the allocator's


def available_bytes(devices: Sequence[Any]) -> int:
    """Find out how many bytes each of some devices may use.

    Args:
        devices: JAX devices of one platform, one or more. CPU devices share the machine's free memory evenly, and so do
            devices that do not say what they have.

    Returns:
        The share `USABLE` of the free bytes: of the device with the fewest, or of the host's for each device.
    """
    if devices[0].platform != "cpu":
        stats = [device.memory_stats() or {} for device in devices]
        if all("bytes_limit" in memory for memory in stats):
            return int(USABLE * min(memory["bytes_limit"] - memory.get("bytes_in_use", 0) for memory in stats))
    return int(USABLE * _free_host_bytes() / len(devices))


def _free_host_bytes() -> int:
    try:
        with open("/proc/meminfo") as lines:
            fields = dict(line.split(":", 1) for line in lines)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):  # not Linux: total instead of free memory
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def program_bytes(compiled: jax.stages.Compiled) -> int:
    """Count the bytes that a compiled program needs on one device: arguments, results and temporary memory.

    Returns:
        The bytes, memory that results reuse of arguments counted once; 0 where the program does not say.
    """
    analysis = compiled.memory_analysis()
    if analysis is None:
        return 0
    reused = analysis.alias_size_in_bytes
    return analysis.argument_size_in_bytes + analysis.output_size_in_bytes - reused + analysis.temp_size_in_bytes


def gib(num_bytes: float) -> str:
    """Write a number of bytes in GiB, with two significant digits."""
    return f"{num_bytes / 2**30:.2g} GiB"
