"""Every backend passes the suite of the seam."""

from __future__ import annotations

from random import Random

from hereabouts.backends.base import Backend
from hereabouts.backends.memory import MemoryBackend
from hereabouts.testing.backend_contract import HERE, BackendContract
from hereabouts.testing.clock import START_AT
from hereabouts.testing.shared import Line, SharedBackend
from hereabouts.testing.toy_valkey import ToyValkey


class TestMemoryBackend(BackendContract):
    def backend(self) -> Backend:
        return MemoryBackend("m1")


class TestSharedBackend(BackendContract):
    """The Valkey backend on the toy that the simulated nodes share; tests/cluster runs the suite on a real server."""

    def backend(self) -> Backend:
        return SharedBackend(Line(ToyValkey(lambda: START_AT), Random(1)), HERE)
