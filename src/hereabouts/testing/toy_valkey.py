"""A Valkey in memory: the commands and scripts that `backends/valkey` uses, each in one step, and who listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from hereabouts.backends.valkey import scripts

Argument = str | bytes | int
Hash = dict[bytes, bytes]

_records = msgspec.msgpack.Decoder(dict[str, tuple[int, str, str, str]])


class Listener(Protocol):
    """A subscribed connection."""

    channels: set[bytes]

    def deliver(self, channel: bytes, data: bytes) -> None:
        """Something was published."""


class ToyValkey:
    """What the server holds. A set is a hash without values; nothing expires. `now_at` is its clock, in ms."""

    def __init__(self, now_at: Callable[[], int]) -> None:
        self.now_at = now_at
        self.keys: dict[bytes, Hash] = {}
        self.listeners: list[Listener] = []
        self._scripts = {
            name: run
            for script, run in (
                (scripts.COMMIT, self._commit),
                (scripts.FOLLOW, self._follow),
                (scripts.RENEW, self._renew),
                (scripts.KEEP, self._keep),
                (scripts.UNNOTE, self._unnote),
            )
            for name in (script.text, script.digest)
        }
        self._commands: dict[str, Callable[..., Any]] = {
            "HGET": lambda key, field: self._hash(key).get(field),
            "HGETALL": lambda key: dict(self._hash(key)),
            "HKEYS": lambda key: list(self._hash(key)),
            "SMEMBERS": lambda key: list(self._hash(key)),
            "HSET": self._set,
            "SADD": self._set,
            "HDEL": self._delete,
            "SREM": self._delete,
            "DEL": lambda key: self.keys.pop(key, None),
            "PUBLISH": self._publish,
            "SPUBLISH": self._publish,
        }

    def flush(self) -> None:
        """Everything is lost, but for the subscriptions."""
        self.keys.clear()

    def execute(self, name: str, *arguments: Argument) -> Any:
        """Do a command."""
        if name in ("EVAL", "EVALSHA"):
            script, _, *rest = arguments
            return self._scripts[str(script)](*map(_bytes, rest))
        return self._commands[name](*map(_bytes, arguments))

    def _hash(self, key: bytes) -> Hash:
        return self.keys.get(key, {})

    def _set(self, key: bytes, field: bytes, value: bytes = b"") -> None:
        self.keys.setdefault(key, {})[field] = value

    def _delete(self, key: bytes, field: bytes) -> None:
        found = self._hash(key)
        found.pop(field, None)
        if not found:
            self.keys.pop(key, None)

    def _publish(self, channel: bytes, data: bytes) -> int:
        hearing = [listener for listener in self.listeners if channel in listener.channels]
        for listener in hearing:
            listener.deliver(channel, data)
        return len(hearing)

    def info(self) -> dict[str, str]:
        """What it says of itself."""
        return {"redis_version": "7.2.0", "master_replid": "toy"}

    # The scripts, as `backends/valkey/scripts.py` has them

    def _commit(
        self,
        key: bytes,
        verb: bytes,
        user: bytes,
        place: bytes,
        incarnation: bytes,
        owner: bytes,
        kind: bytes,
        record: bytes,
        body: bytes,
        new_epoch: bytes,
        kept: bytes,
    ) -> list[int | bytes]:
        feed, field, name = self._hash(key), b"u" + user, f"s{place.decode()}"
        packed = feed.get(field, b"")
        records = _records.decode(packed) if packed else {}
        number, by = int(incarnation), owner.decode()
        if not _applies(verb, records.get(name), number, by, kind):
            return [0, feed.get(b"@epoch", b""), int(feed.get(b"@seq", 0)), packed, 0]
        feed = self.keys.setdefault(key, {b"@epoch": new_epoch, b"@seq": b"0"})
        seq = int(feed[b"@seq"]) + 1
        feed[b"@seq"] = b"%d" % seq
        if verb == b"put":
            records[name] = (number, by, kind.decode(), record.decode())
        else:
            del records[name]
        feed[field] = msgspec.msgpack.encode(records)
        if not records:
            del feed[field]
        users = len(feed) - 2
        self._publish(key, b"%s %d %d %s" % (feed[b"@epoch"], seq, users, body))
        return [1, feed[b"@epoch"], seq, packed, users]

    def _follow(self, key: bytes, new_epoch: bytes, kept: bytes) -> Hash:
        return dict(self.keys.setdefault(key, {b"@epoch": new_epoch, b"@seq": b"0"}))

    def _keep(self, key: bytes, field: bytes, payload: bytes) -> None:
        if key in self.keys:
            self._set(key, field, payload)

    def _unnote(self, key: bytes, field: bytes, owner: bytes) -> None:
        if self._hash(key).get(field) in (owner, b""):
            self._delete(key, field)
        if self._hash(key).keys() <= {b"@session"}:
            self.keys.pop(key, None)

    def _renew(self, key: bytes, owner: bytes, registered: bytes, generation: bytes, note: bytes) -> list[Any]:
        now = b"%d" % self.now_at()
        nodes = self.keys.setdefault(key, {b"@generation": generation})
        before = nodes.get(owner, b"")
        nodes[owner] = b" ".join((now, registered, note))
        return [now, before, [part for item in nodes.items() for part in item]]


def _applies(verb: bytes, before: tuple[int, str, str, str] | None, incarnation: int, owner: str, kind: bytes) -> bool:
    if before is None:
        return verb == b"put"
    if verb == b"put":
        return kind == b"declaration" or incarnation >= before[0]
    if verb == b"reap":
        return before[1] == owner
    return incarnation >= before[0] and (before[2] == "declaration" or before[1] == owner or incarnation > before[0])


def _bytes(argument: Argument) -> bytes:
    return argument if isinstance(argument, bytes) else str(argument).encode()
