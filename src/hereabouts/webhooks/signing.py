"""Signatures of webhooks, so that a receiver knows who sent them and when.

Source: the Standard Webhooks specification, "Signature scheme" and "Webhook headers". A signature is the HMAC-SHA256
of id, timestamp and body with dots between them; a header has one for each secret, so that a secret can be changed
while receivers know only one of the two.
"""

from __future__ import annotations

import hmac
import time
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

from hereabouts.errors import ConfigError, HereaboutsError

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = range(24, 65)
"""How long a secret may be. Source: the specification, "Signature scheme"."""

TOLERANCE_SECONDS: Final = 300
"""How old a message may be, or how far ahead of the receiver's clock."""


class BadSignature(HereaboutsError):
    """A message that did not come from who has the secret, or came too late. The text says which."""


def read_secret(secret: str) -> bytes:
    """The key in a secret `whsec_BASE64`. Raises `ConfigError`, which does not repeat it."""
    if not secret.startswith(PREFIX):
        raise ConfigError(f"it must begin with {PREFIX}; make one with `echo whsec_$(openssl rand -base64 32)`")
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except (Base64Error, ValueError):
        raise ConfigError(f"what follows {PREFIX} must be base64") from None
    if len(key) not in SECRET_BYTES:
        raise ConfigError(f"it holds {len(key)} bytes; it must be from {SECRET_BYTES[0]} to {SECRET_BYTES[-1]}")
    return key


def new_secret(random_bytes: bytes) -> str:
    """A secret of these bytes, as it is written in settings."""
    return PREFIX + b64encode(random_bytes).decode()


def sign(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a message that is sent at `timestamp` (seconds since the epoch)."""
    signatures = " ".join(f"v1,{_signature(key, message_id, str(timestamp), body)}" for key in keys)
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signatures}


def verify_webhook(headers: Mapping[str, str], body: bytes, secret: str, *, now: float | None = None) -> str:
    """The id of a message that is genuine: for receivers. `now` is `time.time()` but in tests.

    Keep the ids that you have acted upon: a message may come more than once. Raises `BadSignature`, and `ConfigError`
    for a secret that is none.
    """
    key = read_secret(secret)
    found = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp = found["webhook-id"], found["webhook-timestamp"]
        given, sent_at = found["webhook-signature"].split(" "), int(timestamp)
    except (KeyError, ValueError):
        raise BadSignature(
            "the headers webhook-id, webhook-timestamp and webhook-signature are not all there"
        ) from None
    now = time.time() if now is None else now
    if abs(now - sent_at) > TOLERANCE_SECONDS:
        raise BadSignature(f"the message was sent {now - sent_at:.0f} s ago; at most {TOLERANCE_SECONDS} s are taken")
    right = f"v1,{_signature(key, message_id, timestamp, body)}".encode()
    if not any(hmac.compare_digest(right, one.encode("utf-8", "replace")) for one in given):
        raise BadSignature("no signature fits the body and the secret")
    return message_id


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    signed = b".".join((message_id.encode("utf-8", "replace"), timestamp.encode("utf-8", "replace"), body))
    return b64encode(hmac.new(key, signed, sha256).digest()).decode()
