"""Records as they are kept and told: JSON inside, so that the store's own tools can show them."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, structs

from hereabouts.engine.records import (
    DECLARATION,
    Commit,
    Declaration,
    Entry,
    FeedSnapshot,
    Membership,
    Owner,
    Position,
    Put,
    Records,
    Remove,
)

NOWHERE: Final = Position("", 0)
"""The position of a feed that never was; no feed that is has this epoch."""


class _Kept(Struct, frozen=True):
    """A record. The `info` of a membership stands beside it: a `Raw` can be read back as absent, not as `None`."""

    record: Records
    info: Raw | UnsetType = UNSET


class _Told(Struct, frozen=True, array_like=True):
    """A step of a feed on its way to followers."""

    place: str
    user_id: str
    kept: _Kept | None
    removal: Remove | None


_packed = msgspec.msgpack.Decoder(dict[str, tuple[int, str, str, str]])
_kept = msgspec.json.Decoder(_Kept)
_told = msgspec.json.Decoder(_Told)
_signal = msgspec.json.Decoder(tuple[str, bool])


def owner_text(owner: Owner) -> str:
    """An owner as the scripts compare it."""
    return f"{owner.incarnation} {owner.node}"


def place_of(record: Records) -> str:
    """Where the record stands among its user's."""
    return DECLARATION if isinstance(record, Declaration) else record.session_id


def encode_record(record: Records) -> bytes:
    """A record as it is kept."""
    return msgspec.json.encode(_keep(record))


def encode_step(change: Put | Remove) -> bytes:
    """A change as followers are told it; the script puts the position in front."""
    if isinstance(change, Put):
        record = change.record
        return msgspec.json.encode(_Told(place_of(record), record.user_id, _keep(record), None))
    return msgspec.json.encode(_Told(change.session_id, change.user_id, None, change))


def encode_signal(user_id: str, on: bool) -> bytes:
    """A signal as followers are told it."""
    return b"~" + msgspec.json.encode((user_id, on))


def read_signal(message: bytes) -> tuple[str, bool] | None:
    """The signal in a message, if it is one."""
    return _signal.decode(message[1:]) if message[:1] == b"~" else None


def read_entry(message: bytes) -> tuple[Entry, int]:
    """The step in a message, and how many users stand in the feed after it."""
    epoch, seq, users, body = message.split(b" ", 3)
    told = _told.decode(body)
    record = None if told.kept is None else _record(told.kept)
    entry = Entry(Position(epoch.decode(), int(seq)), told.place, told.user_id, record, told.removal)
    return entry, int(users)


def read_commit(answer: list[bytes | int], place: str) -> Commit:
    """What the commit script gave back."""
    applied, epoch, seq, packed, _ = answer
    assert isinstance(epoch, bytes) and isinstance(packed, bytes)
    standing = read_user(packed) if packed else {}
    before = standing.pop(place, None)
    position = Position(epoch.decode(), int(seq)) if epoch else NOWHERE
    return Commit(bool(applied), position, before, tuple(standing.values()))


def read_feed(fields: dict[bytes, bytes]) -> FeedSnapshot:
    """A whole feed from its hash."""
    epoch = fields.get(b"@epoch")
    if epoch is None:
        return FeedSnapshot(NOWHERE, ())
    position = Position(epoch.decode(), int(fields[b"@seq"]))
    users = (value for field, value in fields.items() if field[:1] == b"u")
    return FeedSnapshot(position, tuple(record for packed in users for record in read_user(packed).values()))


def user_field(user_id: str) -> str:
    """The field of a feed's hash that has a user's records."""
    return f"u{user_id}"


def read_user(packed: bytes) -> dict[str, Records]:
    """A user's records in a feed, by place."""
    return {place[1:]: _record(_kept.decode(kept)) for place, (*_, kept) in _packed.decode(packed).items()}


def _keep(record: Records) -> _Kept:
    if isinstance(record, Membership) and record.info is not None:
        return _Kept(structs.replace(record, info=None), record.info)
    return _Kept(record)


def _record(kept: _Kept) -> Records:
    record = kept.record
    if isinstance(record, Membership) and kept.info is not UNSET:
        return structs.replace(record, info=kept.info)
    return record
