"""From claims to an identity: what is kept, and what is refused by which words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hereabouts.auth.claims import LEEWAY_SECONDS, Rules, check_grants, clean_name, read_identity
from hereabouts.engine.identity import Grants
from hereabouts.errors import Refusal

NOW = 1_800_000_000
GOOD: dict[str, Any] = {"sub": "ada", "exp": NOW + 60}


def read(claims: dict[str, Any] | bytes, rules: Rules | None = None) -> Any:
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return read_identity(payload, rules or Rules(), NOW)


def refused(claims: dict[str, Any] | bytes, rules: Rules | None = None) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(claims, rules)
    return caught.value


def test_all_claims_are_kept() -> None:
    identity = read(
        GOOD
        | {
            "name": "Ada L.",
            "role": "admin",
            "tenant": "acme",
            "jti": "t1",
            "region": "eu",
            "iat": NOW - 5,
            "nbf": NOW,
            "info": {"team": 7},
            "rooms": {"doc:*": ["join", "watch"], "hall": ["watch"], "none": []},
            "watch": ["bob", "team-*"],
            "unknown": {"is": "ignored"},
        }
    )
    assert (identity.tenant, identity.user_id, identity.name, identity.role) == ("acme", "ada", "Ada L.", "admin")
    assert (identity.expires_at, identity.issued_at, identity.token_id) == ((NOW + 60) * 1000, (NOW - 5) * 1000, "t1")
    assert json.loads(bytes(identity.info)) == {"team": 7}
    assert identity.region == "eu"
    assert identity.grants.may("join", "doc:1")
    assert identity.grants.may("watch", "hall")
    assert not identity.grants.may("join", "hall")
    assert not identity.grants.may("watch", "none")
    assert identity.grants.may_watch_user("team-a")


def test_what_is_left_out_or_null_has_its_default() -> None:
    for claims in (GOOD, GOOD | dict.fromkeys(("name", "role", "tenant", "jti", "info", "iat", "nbf", "iss", "aud"))):
        identity = read(claims)
        assert (identity.tenant, identity.name, identity.role, identity.info) == ("default", None, None, None)
        assert identity.grants == Grants()


def test_each_grant_claim_takes_the_place_of_its_own_default_alone() -> None:
    rules = Rules(default_grants=Grants(rooms={"lobby": ("join",)}, watch=("bob",)))
    assert read(GOOD, rules).grants == rules.default_grants
    assert read(GOOD | {"rooms": {}}, rules).grants == Grants(rooms={}, watch=("bob",))
    assert read(GOOD | {"watch": []}, rules).grants == Grants({"lobby": ("join",)}, (), is_watch_claimed=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
        {"sub": "a b"},
        {"sub": "a\u0000b"},
        {"sub": "\u202eada"},
        {"sub": "x" * 201},
        {"sub": ["ada"]},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": -1},
        {"exp": 1e300},
        {"exp": 253_402_300_800},
        {"nbf": "now"},
        {"iat": {}},
        {"iat": -5},
        {"name": 5},
        {"name": "é" * 101},
        {"role": ""},
        {"role": "two words"},
        {"role": ["admin"]},
        {"tenant": ""},
        {"tenant": "a/\n"},
        {"jti": ""},
        {"jti": 5},
        {"region": ""},
        {"region": {"country": "eu"}},
        {"info": []},
        {"info": "text"},
        {"info": 1},
        {"rooms": None},
        {"rooms": ["doc:*"]},
        {"rooms": {"doc:*": "join"}},
        {"rooms": {"doc:*": ["joy"]}},
        {"rooms": {"": ["join"]}},
        {"rooms": {"a b": ["join"]}},
        {"rooms": {"x" * 201: ["join"]}},
        {"watch": None},
        {"watch": "bob"},
        {"watch": [""]},
        {"watch": [5]},
        {"iss": 5},
        {"aud": 5},
        {"aud": [5]},
    ],
)
def test_wrong_claims_are_refused(wrong: dict[str, Any]) -> None:
    assert refused(GOOD | wrong).code == "unauthenticated"


@pytest.mark.parametrize("missing", ["sub", "exp"])
def test_subject_and_expiry_are_mandatory(missing: str) -> None:
    refusal = refused({claim: value for claim, value in GOOD.items() if claim != missing})
    assert refusal.code == "unauthenticated"
    assert missing in refusal.message


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b"7",
        b'"ada"',
        b"{",
        b"\xff",
        b'{"sub":"ada","exp":NaN}',
        b'{"sub":"ada","exp":Infinity}',
        b'{"sub":"ada","exp":1e999}',
        b'{"sub":"ada","exp":99999999999999999999999}',
        b'{"sub":"ada","exp":1800000060,"sub":"eve"}',
        b'{"sub":"ada","exp":1800000060,"info":{"a":1,"a":2}}',
        b'{"sub":"ada","exp":1800000060,"info":{"a":"\\ud800"}}',
        b'{"sub":"ada","exp":1800000060,"info":' + b'{"a":' * 20 + b"1" + b"}" * 21,
        b'{"sub":"ada","exp":1800000060,"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_payloads_that_are_no_good_json_are_refused(payload: bytes) -> None:
    assert refused(payload).code == "unauthenticated"


def test_expiry_has_no_leeway_because_connections_close_at_it() -> None:
    assert read(GOOD | {"exp": NOW + 0.001}).expires_at == NOW * 1000 + 1
    for past in (NOW, NOW - 0.5, NOW - 1, 0):
        assert refused(GOOD | {"exp": past}).code == "token_expired"


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_other_clocks_may_be_a_minute_ahead(claim: str) -> None:
    assert read(GOOD | {claim: NOW + LEEWAY_SECONDS}).user_id == "ada"
    refusal = refused(GOOD | {claim: NOW + LEEWAY_SECONDS + 1})
    assert refusal.code == "unauthenticated"
    assert claim in refusal.message


def test_issuer_and_audience_are_checked_where_they_are_set() -> None:
    rules = Rules(issuer="https://id.example", audience="here")
    meant = {"iss": "https://id.example", "aud": "here"}
    assert read(GOOD | meant, rules).user_id == "ada"
    assert read(GOOD | meant | {"aud": ["there", "here"]}, rules).user_id == "ada"
    assert read(GOOD | {"iss": "anybody", "aud": "anything"}).user_id == "ada"
    wrong: dict[str, Any]
    for wrong in ({"iss": None}, {"iss": "https://id.example/"}, {"aud": None}, {"aud": []}, {"aud": "hereabouts"}):
        assert refused(GOOD | meant | wrong, rules).code == "unauthenticated"


def test_info_is_measured_and_kept_as_it_came() -> None:
    def info(size: int) -> bytes:
        return b'{"a":"' + b"x" * (size - 8) + b'"}'

    def with_info(text: bytes) -> bytes:
        return b'{"sub":"ada","exp":1800000060,"info":' + text + b"}"

    assert bytes(read(with_info(info(1024))).info) == info(1024)
    assert bytes(read(with_info(b' { "a" : 1.50 } ')).info) == b'{ "a" : 1.50 }'
    refusal = refused(with_info(info(1025)))
    assert (refusal.code, refusal.limit) == ("unauthenticated", "info_bytes")
    assert refused(with_info(info(40)), Rules(info_bytes=39)).limit == "info_bytes"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada \t\n Lovelace\u2028", "Ada Lovelace"),
        ("A\x00d\x1ba\x7f", "Ada"),
        ("\u202eadA\u202c", "adA"),
        ("<img onerror=x>", "<img onerror=x>"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("é" * 100, "é" * 100),
        ("", None),
        (" \x00\u2066 ", None),
    ],
)
def test_names_lose_what_would_break_the_text_around_them(name: str, shown: str | None) -> None:
    assert clean_name(name) == shown
    assert read(GOOD | {"name": name}).name == shown


def test_grants_are_patterns_of_ids() -> None:
    check_grants(Grants(rooms={"*": (), "doc:*": ("join",)}, watch=("*", "@team", "a*b*c")))
    with pytest.raises(Refusal):
        check_grants(Grants(watch=("a b",)))


@given(
    st.dictionaries(
        st.sampled_from(
            [*list(GOOD), "iat", "nbf", "iss", "aud", "name", "role", "tenant", "info", "rooms", "watch", "jti"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_any_claims_give_an_identity_or_a_refusal(claims: dict[str, Any]) -> None:
    for told in (claims, GOOD | claims):
        try:
            read(told)
        except Refusal as refusal:
            assert refusal.code in ("unauthenticated", "token_expired")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_refusal(payload: bytes) -> None:
    assert refused(payload).code == "unauthenticated"
