"""What the doctor says of the engines, from what they say of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from hereabouts.backends.valkey import examining
from hereabouts.backends.valkey.store import check_version
from hereabouts.errors import ConfigError
from hereabouts.journal import postgres_examining

SOUND: dict[str, Any] = {
    "server_name": "valkey",
    "valkey_version": "9.1.2",
    "redis_version": "7.2.4",
    "role": "master",
    "connected_slaves": 1,
    "maxmemory_policy": "noeviction",
    "maxmemory": 1000,
    "used_memory": 100,
    "aof_enabled": 1,
    "rdb_last_bgsave_status": "ok",
}


def test_a_sound_store_is_named_and_left_alone() -> None:
    assert list(examining.judge("here", SOUND)) == [(True, "here is Valkey 9.1.2 with 1 replicas")]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"maxmemory_policy": "allkeys-lru"}, "set maxmemory-policy to noeviction"),
        ({"used_memory": 900}, "90% of its maxmemory"),
        ({"rdb_last_bgsave_status": "err"}, "could not save"),
        ({"role": "slave"}, "a replica"),
        ({"loading": 1}, "loading"),
    ],
)
def test_what_is_to_be_changed_in_a_store_is_said(change: dict[str, Any], word: str) -> None:
    (fault,) = [text for is_ok, text in examining.judge("here", SOUND | change) if not is_ok]
    assert word in fault


def test_what_a_store_does_without_is_said_and_is_no_fault() -> None:
    told = list(examining.judge("here", SOUND | {"connected_slaves": 0, "aof_enabled": 0}))
    assert all(is_ok for is_ok, _ in told)
    assert "a replica would take over" in told[0][1] and "register again" in told[1][1]


def test_a_cluster_that_does_not_serve_all_its_slots_is_a_fault() -> None:
    info = {"cluster_state": "ok", "cluster_slots_ok": "16384", "cluster_slots_assigned": "16384", "cluster_size": "3"}
    assert examining.cluster(info) == (True, "the Cluster of 3 masters is ok")
    is_ok, text = examining.cluster(info | {"cluster_state": "fail", "cluster_slots_ok": "10923"})
    assert not is_ok and "10923 of 16384" in text


def test_an_old_store_is_refused_and_named() -> None:
    check_version("here", {"redis_version": "7.0.0"})
    with pytest.raises(ConfigError, match=r"here is version 6\.2\.14; Valkey, or Redis 7 or newer"):
        check_version("here", {"redis_version": "6.2.14"})


DATABASE: dict[str, Any] = {
    "version": "16.4",
    "synchronous_commit": "on",
    "fsync": "on",
    "synchronous_standbys": "",
    "standbys": 0,
    "free_connections": 90,
    "at_seconds": 1000.0,
}


def test_a_sound_database_is_named_and_left_alone() -> None:
    assert postgres_examining.judge(DATABASE, 1000.5) == [
        (True, "PostgreSQL 16.4 with 0 standbys, 90 free connections")
    ]


@pytest.mark.parametrize(
    ("change", "is_ok", "word"),
    [
        ({"fsync": "off"}, False, "set fsync = on"),
        ({"synchronous_commit": "off"}, False, "what was acknowledged may be lost"),
        ({"standbys": 1}, True, "set synchronous_standby_names"),
        (
            {"standbys": 1, "synchronous_standbys": "*", "synchronous_commit": "local"},
            True,
            "no standby is synchronous",
        ),
        ({"free_connections": 3}, False, "raise max_connections"),
        ({"at_seconds": 1060.0}, False, "+60.0 s"),
    ],
)
def test_what_is_to_be_changed_in_a_database_is_said(change: dict[str, Any], is_ok: bool, word: str) -> None:
    _, (found, text) = postgres_examining.judge(DATABASE | change, 1000.0)
    assert (found, word in text) == (is_ok, True)


def test_a_synchronous_standby_is_left_alone() -> None:
    assert len(postgres_examining.judge(DATABASE | {"standbys": 1, "synchronous_standbys": "*"}, 1000.0)) == 1
