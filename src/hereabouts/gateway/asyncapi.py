"""AsyncAPI 3 of the WebSocket and the event streams, from the types that are encoded and decoded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from hereabouts.gateway.door import WS_PATH
from hereabouts.gateway.sse import EVENTS_TYPE
from hereabouts.protocol.codes import CLOSE_CODES, SUBPROTOCOL
from hereabouts.protocol.messages import (
    CLIENT_MESSAGES,
    SERVER_MESSAGES,
    Count,
    Degraded,
    Delta,
    Error,
    Occupancy,
    Reconnect,
    Restored,
    Snapshot,
    TypingNow,
    Users,
    schemas,
    tag_of,
)
from hereabouts.version import __version__

STREAMED: Final[tuple[type[Struct], ...]] = (
    Snapshot, Delta, Count, TypingNow, Users, Occupancy, Degraded, Restored, Reconnect, Error,
)  # fmt: skip
"""What an event stream carries of the server's messages."""

Json = dict[str, Any]


def asyncapi_document() -> Json:
    """The document of `/v1/asyncapi.json`."""
    messages = (*CLIENT_MESSAGES, *SERVER_MESSAGES)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Hereabouts", "version": __version__, "license": {"name": "MIT"}},
        "defaultContentType": "application/json",
        "channels": {
            "socket": {
                "address": WS_PATH,
                "title": "WebSocket",
                "description": f"Subprotocol `{SUBPROTOCOL}`; one JSON object a text frame. {_closes()}",
                "messages": {name(message): _reference(message) for message in messages},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            },
            "events": {
                "address": "/v1/events",
                "title": "Server-Sent Events",
                "description": f"`{EVENTS_TYPE}`: each event's data is one message.",
                "messages": {name(message): _reference(message) for message in STREAMED},
                "bindings": {"http": {"bindingVersion": "0.3.0"}},
            },
        },
        "operations": {
            "fromClient": _operation("socket", "receive", CLIENT_MESSAGES),
            "toClient": _operation("socket", "send", SERVER_MESSAGES),
            "toReader": _operation("events", "send", STREAMED),
        },
        "components": {
            "schemas": dict(sorted(schemas().items())),
            "messages": {name(message): _message(message) for message in messages},
        },
    }


def name(message: type[Struct]) -> str:
    """What a message is called in the document: some words are said by both sides and mean different things."""
    return message.__name__


def _message(message: type[Struct]) -> Json:
    return {
        "name": tag_of(message),
        "title": message.__name__,
        "summary": (message.__doc__ or "").partition("\n")[0],
        "payload": {"$ref": f"#/components/schemas/{message.__name__}"},
    }


def _reference(message: type[Struct]) -> Json:
    return {"$ref": f"#/components/messages/{name(message)}"}


def _operation(channel: str, action: str, messages: Iterable[type[Struct]]) -> Json:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name(message)}"} for message in messages],
    }


def _closes() -> str:
    return "Close codes: " + ", ".join(f"{code.number} {code.name}" for code in CLOSE_CODES) + "."
