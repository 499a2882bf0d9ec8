"""Bytes to messages and back; the one gate for bad input.

A frame passes two checks. The strict reading looks at the whole frame, opaque parts included, for what JSON parsers
quietly disagree on: duplicate keys, NaN, numbers that lose digits, lone surrogates, deep nesting. The typed reading
then gives the message. Short frames repeat a great deal (`beat` above all) and are remembered once both have passed.
"""

from __future__ import annotations

import json
import math
import unicodedata
from typing import Any, Final

import msgspec

from hereabouts.errors import Refusal
from hereabouts.protocol.messages import CLIENT_MESSAGES, Beat, ClientMessages, ServerMessage, tag_of

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (RFC 8259, section 6)."""

_SHORT_BYTES: Final = 64
_REMEMBERED: Final = 1024

_KNOWN_TYPES: Final = frozenset(tag_of(message) for message in CLIENT_MESSAGES)
_decoder: Final[msgspec.json.Decoder[ClientMessages]] = msgspec.json.Decoder(ClientMessages)
_encoder: Final = msgspec.json.Encoder()
_remembered: Final[dict[bytes, ClientMessages]] = {}


def encode(message: ServerMessage | msgspec.Struct | Any) -> bytes:
    """The JSON of a message."""
    return _encoder.encode(message)


def decode(frame: bytes, *, depth: int = 16) -> ClientMessages:
    """The message in a client's text frame.

    Raises `Refusal` with `bad_request` for anything malformed and `unsupported` for an unknown `type`.
    """
    known = _remembered.get(frame)
    if known is not None:
        return known
    strict(frame, depth=depth)
    try:
        message: ClientMessages = _decoder.decode(frame)
    except msgspec.ValidationError as error:
        raise _explain(frame, error) from None
    # Beats are most of what comes, and nearly all alike.
    if type(message) is Beat and len(frame) <= _SHORT_BYTES and len(_remembered) < _REMEMBERED:
        _remembered[bytes(frame)] = message
    return message


def _explain(frame: bytes, error: msgspec.ValidationError) -> Refusal:
    told = json.loads(frame)
    kind = told.get("type") if isinstance(told, dict) else None
    if isinstance(kind, str) and kind not in _KNOWN_TYPES:
        return Refusal("unsupported", f"there is no message of type {kind[:64]!r}")
    return Refusal("bad_request", str(error))


def request_id(frame: bytes) -> int | None:
    """The `id` of a frame that was refused, if it carries a usable one, so that the error finds its request."""
    try:
        told = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    found = told.get("id") if isinstance(told, dict) else None
    return found if type(found) is int and abs(found) <= MAX_INTEGER else None


def strict(text: bytes, *, depth: int = 16) -> Any:
    """Read JSON that leaves nothing to the reader's taste, or raise `Refusal` with `bad_request`.

    Refuses what is not UTF-8, NaN and infinities, integers beyond 2^53, numbers too large for a double, duplicate
    keys at any level, lone surrogates, and nesting deeper than `depth`.
    """
    try:
        value = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_safe_int,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise Refusal("bad_request", f"the text is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise Refusal("bad_request", f"nested deeper than {depth}", limit="depth") from None
    except ValueError as error:
        raise Refusal("bad_request", f"not JSON: {error}") from None
    _check_tree(value, depth)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Refusal("bad_request", f"the key {_shown(key)} stands twice in one object")
            seen.add(key)
    return found


def _no_constant(name: str) -> float:
    raise Refusal("bad_request", f"{name} is not JSON")


def _safe_int(digits: str) -> int:
    if len(digits) > 17 or abs(value := int(digits)) > MAX_INTEGER:
        raise Refusal("bad_request", "an integer is beyond 2^53 - 1 and would lose digits")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise Refusal("bad_request", "a number is too large for a double")
    return value


def _check_tree(value: Any, depth: int) -> None:
    level: list[Any] = [value]
    remaining = depth
    while level:
        below: list[Any] = []
        for node in level:
            if type(node) is str:
                _check_text(node)
            elif type(node) is dict:
                for key in node:
                    _check_text(key)
                below.extend(node.values())
            elif type(node) is list:
                below.extend(node)
        if remaining == 0 and any(type(node) in (dict, list) for node in level):
            raise Refusal("bad_request", f"nested deeper than {depth}", limit="depth")
        remaining -= 1
        level = below


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise Refusal("bad_request", f"the text {_shown(text)} holds half a character (a lone surrogate)") from None


def _shown(text: str) -> str:
    return ascii(text[:40])


def check_id(text: str, what: str, *, id_bytes: int = 200) -> str:
    """`text` if it may name a user, room or resource; raises `Refusal` with `bad_request` or `too_large`.

    Ids are 1 to `id_bytes` bytes of UTF-8 in NFC without control, format, private or separator characters
    (Unicode categories C and Z), case-sensitive: spec, "Ids".
    """
    if not text:
        raise Refusal("bad_request", f"{what} is empty")
    if text.isascii():
        if len(text) > id_bytes:
            raise Refusal("too_large", f"{what} is {len(text)} bytes; at most {id_bytes}", limit="id_bytes")
        if text.isprintable() and " " not in text:
            return text
    elif (size := len(text.encode("utf-8", "surrogatepass"))) > id_bytes:
        raise Refusal("too_large", f"{what} is {size} bytes; at most {id_bytes}", limit="id_bytes")
    for character in text:
        if unicodedata.category(character)[0] in "CZ":
            raise Refusal("bad_request", f"{what} has the character {character!a}, which no id may have")
    if not unicodedata.is_normalized("NFC", text):
        raise Refusal("bad_request", f"{what} is not in Unicode normal form C")
    return text
