"""Who makes a call: which credential is taken for which call, and in which order it is judged."""

from __future__ import annotations

from secrets import token_bytes
from typing import cast

import pytest

from hereabouts.auth.api_keys import KeyEntry, KeyRing, new_key
from hereabouts.auth.tokens import DevVerifier
from hereabouts.engine.identity import Identity
from hereabouts.errors import Refusal
from hereabouts.runtime.callers import ANYBODY, Access, Callers
from hereabouts.runtime.clock import Clock
from hereabouts.runtime.entrance import Entrance
from hereabouts.runtime.rates import COUNTED, Rates

KEYS = {name: new_key(name, [name], [], token_bytes) for name in ("read", "tokens", "write", "admin")}
RING = KeyRing(
    KeyEntry(name=name, hash=key.line.split('hash = "')[1][:64], scopes=(name,), tenants=("default", "acme"))
    for name, key in KEYS.items()
)


class Doorman:
    """An entrance that knows one revoked user."""

    async def check_revoked(self, identity: Identity) -> None:
        if identity.user_id == "mallory":
            raise Refusal("unauthenticated", "this token was revoked")


def a_rate() -> Rates:
    return Rates(Clock(lambda: 0.0, lambda: 0.0), "frames_per_second", 10, 20)


CALLERS = Callers(DevVerifier(lambda: 0.0), cast(Entrance, Doorman()), RING, a_rate(), ["owner"])


def bearer(credential: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {credential}", **more}


async def refused(access: Access, headers: dict[str, str]) -> str:
    with pytest.raises(Refusal) as caught:
        await CALLERS.admit(access, headers)
    return caught.value.code


async def test_a_user_is_who_the_token_says() -> None:
    for access in ("user", "reader"):
        caller = await CALLERS.admit(access, bearer("dev:ada:friend"))
        assert (caller.identity.user_id, caller.identity.role, caller.key) == ("ada", "friend", None)
        assert not caller.identity.is_server


async def test_a_call_for_anybody_looks_at_no_credential() -> None:
    assert await CALLERS.admit("anybody", bearer("nonsense")) is ANYBODY


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Basic dev:ada"}]
)
async def test_without_a_credential_nobody_calls(headers: dict[str, str]) -> None:
    for access in ("user", "reader", "minter"):
        assert await refused(access, headers) == "unauthenticated"


@pytest.mark.parametrize("headers", [bearer(KEYS["read"].key), {"x-api-key": KEYS["read"].key}])
async def test_a_server_reads_in_the_tenant_it_names(headers: dict[str, str]) -> None:
    caller = await CALLERS.admit("reader", {**headers, "x-tenant": "acme"})
    assert (caller.identity.tenant, caller.identity.user_id, caller.identity.is_server) == ("acme", "", True)
    assert caller.identity.grants.may("watch", "any") and caller.identity.grants.may_watch_user("any")
    assert await refused("reader", headers) == "bad_request"
    assert await refused("reader", {**headers, "x-tenant": "other"}) == "forbidden"


async def test_a_key_does_what_its_scopes_say() -> None:
    assert await refused("reader", bearer(KEYS["write"].key, **{"x-tenant": "acme"})) == "forbidden"
    assert await refused("minter", bearer(KEYS["read"].key, **{"x-tenant": "acme"})) == "forbidden"
    assert (await CALLERS.admit("minter", bearer(KEYS["tokens"].key, **{"x-tenant": "acme"}))).key is not None


async def test_a_key_is_no_user_and_a_user_no_key() -> None:
    assert await refused("user", bearer(KEYS["read"].key, **{"x-tenant": "acme"})) == "unauthenticated"
    assert await refused("minter", bearer("dev:ada:admin")) == "unauthenticated"
    assert await refused("reader", {"x-api-key": "dev:ada"}) == "unauthenticated"


async def test_a_key_beside_a_token_is_the_one_that_counts() -> None:
    headers = bearer("dev:ada", **{"x-api-key": KEYS["read"].key, "x-tenant": "acme"})
    assert (await CALLERS.admit("reader", headers)).identity.is_server


async def test_a_revoked_user_reads_nothing() -> None:
    assert await refused("reader", bearer("dev:mallory")) == "unauthenticated"


async def test_a_scope_is_asked_for_by_name() -> None:
    assert CALLERS.key({"x-api-key": KEYS["read"].key, "x-tenant": "acme"}, "read").name == "read"
    with pytest.raises(Refusal, match="forbidden"):
        CALLERS.key({"x-api-key": KEYS["read"].key, "x-tenant": "acme"}, "metrics")


async def test_one_user_is_held_to_a_rate_and_no_other() -> None:
    callers = Callers(DevVerifier(lambda: 0.0), cast(Entrance, Doorman()), RING, a_rate())
    for _ in range(20):
        await callers.admit("reader", bearer("dev:ada"))
    with pytest.raises(Refusal) as caught:
        await callers.admit("reader", bearer("dev:ada"))
    assert (caught.value.code, caught.value.limit, caught.value.retry_after_seconds) == (
        "rate_limited",
        "frames_per_second",
        0.1,
    )
    await callers.admit("reader", bearer("dev:bob"))
    for _ in range(30):
        await callers.admit("reader", bearer(KEYS["read"].key, **{"x-tenant": "acme"}))


def test_how_many_are_counted_is_bounded() -> None:
    rates = a_rate()
    for n in range(COUNTED + 10):
        rates.take(n)
    assert len(rates) == COUNTED


async def test_an_admin_call_takes_an_admin_role_or_scope() -> None:
    for access in ("admin", "admin:read"):
        assert (await CALLERS.admit(access, bearer("dev:ada:owner"))).identity.role == "owner"
        assert (await CALLERS.admit(access, bearer(KEYS["admin"].key, **{"x-tenant": "acme"}))).key is not None
        assert await refused(access, bearer("dev:ada:friend")) == "forbidden"
        assert await refused(access, bearer("dev:ada")) == "forbidden"
        assert await refused(access, bearer("dev:mallory:owner")) == "unauthenticated"
        assert await refused(access, bearer(KEYS["read"].key, **{"x-tenant": "acme"})) == "forbidden"
