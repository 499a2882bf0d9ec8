"""What of the Valkey backend decides without a store: addresses, keys, records as they are kept, steps in order."""

from __future__ import annotations

import pytest
from msgspec import Raw
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from hereabouts.backends.base import Follower
from hereabouts.backends.memory import MemoryBackend
from hereabouts.backends.opening import open_backend
from hereabouts.backends.valkey import codec
from hereabouts.backends.valkey.address import read_address
from hereabouts.backends.valkey.following import Following, Heard
from hereabouts.backends.valkey.keys import Keys
from hereabouts.backends.valkey.store import is_of_one_key
from hereabouts.engine.records import (
    Declaration,
    Entry,
    FeedKey,
    FeedSnapshot,
    Membership,
    Owner,
    Position,
    Put,
    Records,
    Remove,
    Value,
)
from hereabouts.errors import ConfigError
from hereabouts.testing.backend_contract import HERE, LOOK_ALIKES, ROOM, record, removal
from hereabouts.testing.mirror import Mirror


@pytest.mark.parametrize(
    ("url", "shape", "is_tls", "hosts", "service", "database"),
    [
        ("valkey://cache:7000/3", "", False, (("cache", 7000),), "", 3),
        ("redis://cache", "", False, (("cache", 6379),), "", 0),
        ("rediss://:pa%40ss@[::1]:7000", "", True, (("::1", 7000),), "", 0),
        ("valkeys+cluster://a:1,b:2", "cluster", True, (("a", 1), ("b", 2)), "", 0),
        ("valkey+sentinel://a,b:2/main/1", "sentinel", False, (("a", 26379), ("b", 2)), "main", 1),
    ],
)
def test_an_address_is_read(url: str, shape: str, is_tls: bool, hosts: object, service: str, database: int) -> None:
    address = read_address(url)
    assert (address.shape, address.is_tls, address.hosts) == (shape, is_tls, hosts)
    assert (address.service, address.database) == (service, database)


def test_a_login_is_read_and_never_shown() -> None:
    address = read_address("valkey://ada:p%40ss@cache:7000/0")
    assert (address.username, address.password) == ("ada", "p@ss")
    assert address.shown == "valkey://cache:7000/0"


@pytest.mark.parametrize(
    "url",
    [
        "memory", "http://cache", "valkey://", "valkey+ring://a", "valkey://a,b", "valkey://a/x", "valkey://a:port",
        "valkey+sentinel://a", "valkey+sentinel://a/main/x",
    ],
)  # fmt: skip
def test_an_address_that_names_no_store_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(ConfigError, match=r"backend\.url"):
        read_address(url)


def test_a_wrong_address_does_not_repeat_the_password() -> None:
    with pytest.raises(ConfigError) as caught:
        read_address("valkey://ada:hunter2@cache/x")
    assert "hunter2" not in str(caught.value)


def test_memory_is_opened_by_its_address() -> None:
    assert isinstance(open_backend("memory://", HERE, "hb"), MemoryBackend)


def test_no_two_feeds_have_one_key() -> None:
    keys = Keys()
    assert len({keys.feed(feed) for feed in LOOK_ALIKES}) == len(LOOK_ALIKES)
    assert all(keys.feed(feed).count("{") == keys.feed(feed).count("}") == 1 for feed in LOOK_ALIKES)
    assert keys.feed(ROOM) != Keys("other").feed(ROOM)
    assert keys.owned(Owner("n:1", 2)) != keys.owned(Owner("n", 12))


def test_records_come_back_as_they_were() -> None:
    state = {"cursor": Value(Raw(b"[3,4]"), 5)}
    bare = Membership("s1", "ada", 1, HERE, 7, state, "Ada", None, "busy", "lunch", 3, 6)
    records: list[Records] = [bare, Membership("s1", "ada", 1, HERE, 7, state, None, Raw(b'{"a":1}')), record()]
    records.append(Declaration("s1", "ada", 1_800_000_000_000, HERE, "dnd", 1))
    for standing in records:
        message = b"e.1 7 2 " + codec.encode_step(Put(standing))
        entry, users = codec.read_entry(message)
        assert (entry.record, entry.position, users) == (standing, Position("e.1", 7), 2)


def test_a_removal_comes_back_as_it_was() -> None:
    change = Remove("s1", "ada", 1, HERE, "leave", 5, None)
    entry, users = codec.read_entry(b"e 8 0 " + codec.encode_step(change))
    assert (entry.record, entry.removal, users) == (None, change, 0)
    assert codec.read_signal(codec.encode_signal("ada", True)) == ("ada", True)
    assert codec.read_signal(b"e 8 0 []") is None


@pytest.mark.parametrize(
    ("answer", "is_of_one"),
    [
        (ResponseError("WRONGTYPE Operation against a key"), True),
        (ResponseError("user_script:6: bad data in unpack"), True),
        (NoScriptError("No matching script"), True),
        (ResponseError("MISCONF Valkey is configured to save RDB snapshots"), False),
        (ResponseError("NOREPLICAS Not enough good replicas to write"), False),
        (OutOfMemoryError("command not allowed"), False),
        (ReadOnlyError("You can't write against a read only replica"), False),
        (BusyLoadingError("Valkey is loading the dataset in memory"), False),
        (ClusterDownError("Hash slot not served"), False),
        (TryAgainError("Multiple keys request during rehashing"), False),
        (NoPermissionError("User has no permissions"), False),
        (TimeoutError(), False),
    ],
)
def test_a_refusal_is_of_one_key_or_of_the_store(answer: Exception, is_of_one: bool) -> None:
    assert is_of_one_key(answer) is is_of_one


def followed(mirror: Follower, seq: int = 0) -> Following:
    following = Following(ROOM, "key")
    following.load(FeedSnapshot(Position("e", seq), ()))
    following.followers.append(mirror)
    return following


def step(seq: int, epoch: str = "e") -> Entry:
    return Entry(Position(epoch, seq), "s1", "ada", record(seen_at=seq), None)


def begun(feed: FeedKey = ROOM) -> Mirror:
    mirror = Mirror(feed)
    mirror.begin(FeedSnapshot(Position("e", 0), ()))
    return mirror


def test_steps_are_passed_on_in_order_and_once() -> None:
    mirror = begun()
    following = followed(mirror)
    heard = [following.hear(step(seq), 1) for seq in (2, 1, 1, 3, 2)]
    assert heard == [Heard.AHEAD, Heard.IN_ORDER, Heard.DOUBLE, Heard.IN_ORDER, Heard.DOUBLE]
    assert [entry.position.seq for entry in mirror.entries] == [1, 2, 3]
    assert not following.is_behind


def test_a_step_of_another_history_is_not_passed_on() -> None:
    mirror = begun()
    following = followed(mirror)
    assert following.hear(step(1, "other"), 1) is Heard.ELSEWHERE
    assert mirror.entries == []


def test_what_is_heard_before_the_feed_was_read_waits() -> None:
    following = Following(ROOM, "key")
    assert [following.hear(step(seq), 1) for seq in (3, 4, 5)] == [Heard.WAITING] * 3
    mirror = Mirror(ROOM)
    mirror.begin(FeedSnapshot(Position("e", 4), ()))
    following.followers.append(mirror)
    following.load(FeedSnapshot(Position("e", 4), ()))
    assert [entry.position.seq for entry in mirror.entries] == [5]


def test_a_snapshot_is_led_to_where_the_followers_are() -> None:
    following = followed(begun())
    following.tail = []
    for seq in (1, 2):
        following.hear(step(seq), 1)
    gone = Entry(Position("e", 3), "s1", "ada", None, removal(record()))
    early = FeedSnapshot(Position("e", 1), (record(seen_at=1),))
    assert following.since(early) == FeedSnapshot(Position("e", 2), (record(seen_at=2),))
    following.hear(gone, 0)
    assert following.since(early) == FeedSnapshot(Position("e", 3), ())
    assert following.since(FeedSnapshot(Position("e", 9), ())) is None
    following.gap(FeedSnapshot(Position("f", 1), ()))
    assert following.since(early) is None
