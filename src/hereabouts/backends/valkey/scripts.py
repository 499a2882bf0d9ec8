"""What the store does in one step. Each script names one key, so that it runs on every kind of Cluster.

A feed is one hash: `@epoch`, `@seq`, and a field `u` + user id with all records of that user, packed. The packed value
maps `s` + place to [incarnation, owner, kind, record]. The letters keep any id apart from the feed's own fields, and
keep Lua from taking a place of digits for a number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple


class Script(NamedTuple):
    """A Lua script and the digest under which the store knows it."""

    text: str
    digest: str


def _script(text: str) -> Script:
    # The protocol asks for SHA-1 as a name; nothing is proved by it.
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


COMMIT: Final = _script("""
local feed = KEYS[1]
local verb, user, place = ARGV[1], 'u' .. ARGV[2], 's' .. ARGV[3]
local incarnation, owner, kind, record = tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]
local body, new_epoch, kept = ARGV[8], ARGV[9], ARGV[10]
local found = redis.call('HMGET', feed, '@epoch', '@seq', user)
local epoch, packed = found[1], found[3]
local records = packed and cmsgpack.unpack(packed) or {}
local before = records[place]
local applies = false
if verb == 'put' then
  applies = not before or kind == 'declaration' or incarnation >= before[1]
elseif before and verb == 'reap' then
  applies = before[2] == owner
elseif before and incarnation >= before[1] then
  applies = before[3] == 'declaration' or before[2] == owner or incarnation > before[1]
end
if not applies then
  return {0, epoch or '', tonumber(found[2] or 0), packed or '', 0}
end
if not epoch then
  epoch = new_epoch
  redis.call('HSET', feed, '@epoch', epoch)
end
local seq = redis.call('HINCRBY', feed, '@seq', 1)
records[place] = verb == 'put' and {incarnation, owner, kind, record} or nil
if next(records) then
  redis.call('HSET', feed, user, cmsgpack.pack(records))
else
  redis.call('HDEL', feed, user)
end
local users = redis.call('HLEN', feed) - 2
if users == 0 then
  redis.call('EXPIRE', feed, kept)
elseif users == 1 and not packed then
  redis.call('PERSIST', feed)
end
redis.call('SPUBLISH', feed, epoch .. ' ' .. seq .. ' ' .. users .. ' ' .. body)
return {1, epoch, seq, packed or '', users}
""")
"""Apply one change: look, decide, write, count on, publish. Gives whether it applied, the position, what the user
had, and how many users there are."""


def published(command: Sequence[Any], answer: Any) -> bytes | None:
    """The step that a command published, if it was a commit that applied."""
    if command[1] not in (COMMIT.digest, COMMIT.text) or not answer[0]:
        return None
    _, epoch, seq, _, users = answer
    body: bytes = command[11]
    return b"%s %d %d %s" % (epoch, seq, users, body)


FOLLOW: Final = _script("""
if redis.call('HSETNX', KEYS[1], '@epoch', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], '@seq', 0)
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return redis.call('HGETALL', KEYS[1])
""")
"""The whole feed, begun if it never was: who follows must know from where the first step counts."""

RENEW: Final = _script("""
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local before = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('HSETNX', KEYS[1], '@generation', ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2] .. ' ' .. ARGV[4])
return {now, before or '', redis.call('HGETALL', KEYS[1])}
""")
"""Renew a node's lease, with what it tells of itself, by the store's own clock.

Gives that time, the lease before, and all leases there are.
"""

KEEP: Final = _script("""
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
return 1
""")
"""Keep what goes with a session, if any of it stands: what comes late would be kept for ever."""

UNNOTE: Final = _script("""
local by = redis.call('HGET', KEYS[1], ARGV[1])
if by == ARGV[2] or by == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
if redis.call('HLEN', KEYS[1]) == redis.call('HEXISTS', KEYS[1], '@session') then
  redis.call('DEL', KEYS[1])
end
return 1
""")
"""Forget a place of a session, unless another node has noted it meanwhile; with the last one goes all that was kept.

What nobody's name stands at was noted by an earlier version.
"""

ALL: Final = (COMMIT, FOLLOW, KEEP)
