"""Text as PostgreSQL can store it: with the character 0, which an id may have, and in the same order."""

from __future__ import annotations


def escaped(text: str) -> str:
    """Text as it is stored: the characters 0 and 1 become pairs that begin with 1, in the same order."""
    if "\0" not in text and "\1" not in text:
        return text
    return text.replace("\1", "\1\2").replace("\0", "\1\1")


def unescaped(stored: str) -> str:
    """What was stored as this."""
    return stored if "\1" not in stored else stored.replace("\1\1", "\0").replace("\1\2", "\1")
