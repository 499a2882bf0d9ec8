"""The backend that an address names."""

from __future__ import annotations

from hereabouts.backends.base import Backend
from hereabouts.backends.memory import MemoryBackend
from hereabouts.backends.valkey.address import read_address
from hereabouts.engine.records import Owner
from hereabouts.errors import ConfigError

MEMORY = "memory://"


def check_address(url: str) -> None:
    """Raise `ConfigError` for an address that names no backend, or one whose client is not installed."""
    if url == MEMORY:
        return
    read_address(url)
    try:
        import redis  # noqa: F401
    except ImportError:
        raise ConfigError("backend.url names a store; its client is missing: install hereabouts[valkey]") from None


def open_backend(url: str, owner: Owner, prefix: str, lease_seconds: float = 15) -> Backend:
    """The backend of an address, not opened yet. Raises `ConfigError`."""
    check_address(url)
    if url == MEMORY:
        return MemoryBackend(owner.node)
    from hereabouts.backends.valkey.backend import ValkeyBackend

    return ValkeyBackend(url, owner, prefix=prefix, lease_seconds=lease_seconds)
