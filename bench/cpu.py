"""What a process has used: seconds on a CPU and resident memory, as the kernel counts them (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """The time that all threads of a process have run, in nanosecond steps: `/proc/PID/task/*/schedstat`."""
    nanoseconds = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            nanoseconds += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            continue
    return nanoseconds / 1e9


def resident_bytes(pid: int) -> int:
    """The memory that a process has in RAM: the second field of `/proc/PID/statm`, in pages."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
