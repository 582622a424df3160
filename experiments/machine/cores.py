"""The CPU cores that this process may use."""

import os
from pathlib import Path


def available_cores() -> int:
    """How many CPU cores this process may use: what its affinity and its container's quota leave it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no quota, or not Linux
        return cores
