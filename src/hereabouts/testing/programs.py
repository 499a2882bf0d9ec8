"""Programs of the machine that tests drive, and their lives as ordinary processes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hereabouts.testing.waiting import stall

READY_SECONDS = 20.0
END_SECONDS = 5.0

PLACES = (sysconfig.get_path("scripts"), "/usr/sbin")
"""Where to look beyond PATH: beside Python, where wheels put theirs, and where Debian puts servers."""


def program(name: str) -> str:
    """Where a program is. Raises `AssertionError` where it is not; `scripts/test` installs what tests drive."""
    found = shutil.which(name) or next((path for place in PLACES if (path := shutil.which(name, path=place))), None)
    assert found is not None, f"there is no {name} on this machine; scripts/test installs it"
    return found


@contextmanager
def running(
    command: Sequence[str], log: Path, port: int, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that listens on this port of the loopback address; ended at the end. Its output is in `log`.

    `environment` goes over that of this process.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **(environment or {})})
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _listens(port):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            stall(0.02)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
