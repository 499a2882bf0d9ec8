"""Hereabouts: a self-hosted presence server, and its Python client."""

__version__ = "0.1.0"
