"""The Valkey backend passes the suite of the seam, on a real server."""

from __future__ import annotations

import pytest

from hereabouts.backends.base import Backend
from hereabouts.backends.valkey.backend import ValkeyBackend
from hereabouts.testing.backend_contract import HERE, BackendContract
from hereabouts.testing.valkey import ValkeyServer


class TestValkeyBackend(BackendContract):
    @pytest.fixture(autouse=True)
    def _engine(self, store: ValkeyServer) -> None:
        self._server = store

    def backend(self) -> Backend:
        self._server.flush()
        return ValkeyBackend(self._server.url, HERE)
