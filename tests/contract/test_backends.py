"""Every backend passes the suite of the seam."""

from __future__ import annotations

from hereabouts.backends.base import Backend
from hereabouts.backends.memory import MemoryBackend
from hereabouts.testing.backend_contract import BackendContract


class TestMemoryBackend(BackendContract):
    def backend(self) -> Backend:
        return MemoryBackend("m1")
