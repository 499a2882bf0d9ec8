"""Hereabouts: a self-hosted presence server, and its Python client.

The names below are loaded when they are first used, so that the client alone needs nothing of the server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hereabouts.version import __version__

if TYPE_CHECKING:
    from hereabouts.errors import ConfigError, HereaboutsError, Refusal
    from hereabouts.mounting import asgi

_HOMES = {
    "ConfigError": "hereabouts.errors",
    "HereaboutsError": "hereabouts.errors",
    "Refusal": "hereabouts.errors",
    "asgi": "hereabouts.mounting",
}

__all__ = ["ConfigError", "HereaboutsError", "Refusal", "__version__", "asgi"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'hereabouts' has no attribute {name!r}")
    return getattr(import_module(home), name)
