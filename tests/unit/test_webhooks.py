"""Webhooks without a network: signatures, endpoints, addresses, when it is tried again."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import pytest

from hereabouts.checks import check_settings
from hereabouts.checks import endpoints as configured
from hereabouts.errors import ConfigError
from hereabouts.journal.outbox import EVENT_TYPES
from hereabouts.settings import Settings, load
from hereabouts.webhooks.addresses import AddressRefused, is_public, judged
from hereabouts.webhooks.endpoints import Endpoint, Endpoints
from hereabouts.webhooks.schedule import Schedule
from hereabouts.webhooks.signing import BadSignature, new_secret, read_secret, sign, verify_webhook

# The example of the Standard Webhooks specification.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = new_secret(bytes(24))
NOW = float(MESSAGE[1])


def test_a_signature_is_the_one_of_the_specification() -> None:
    headers = sign([read_secret(SECRET)], *MESSAGE)
    assert headers == {
        "webhook-id": MESSAGE[0],
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }
    assert verify_webhook(headers, MESSAGE[2], SECRET, now=NOW) == MESSAGE[0]


def test_while_a_secret_is_changed_both_are_good() -> None:
    headers = sign([read_secret(OTHER), read_secret(SECRET)], *MESSAGE)
    for secret in (SECRET, OTHER):
        assert verify_webhook(headers, MESSAGE[2], secret, now=NOW) == MESSAGE[0]


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_other"},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": SIGNATURE.replace("v1", "v2")},
        {"webhook-signature": "v1,é"},
    ],
)
def test_what_was_changed_on_the_way_is_not_taken(changed: dict[str, str]) -> None:
    headers = sign([read_secret(SECRET)], *MESSAGE) | changed
    with pytest.raises(BadSignature):
        verify_webhook(headers, MESSAGE[2], SECRET, now=NOW)


def test_neither_another_body_nor_another_secret_nor_an_old_message_is_taken() -> None:
    headers = sign([read_secret(SECRET)], *MESSAGE)
    verify_webhook({name.upper(): value for name, value in headers.items()}, MESSAGE[2], SECRET, now=NOW + 300)
    attempts: Sequence[tuple[bytes, str, float]] = (
        (MESSAGE[2] + b" ", SECRET, NOW),
        (MESSAGE[2], OTHER, NOW),
        (MESSAGE[2], SECRET, NOW + 301),
        (MESSAGE[2], SECRET, NOW - 301),
    )
    for body, secret, now in attempts:
        with pytest.raises(BadSignature):
            verify_webhook(headers, body, secret, now=now)
    with pytest.raises(BadSignature):
        verify_webhook({}, MESSAGE[2], SECRET, now=NOW)


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begin with whsec_"),
        ("whsec_!!!!", "base64"),
        ("whsec_" + b64encode(bytes(23)).decode(), "holds 23 bytes"),
        ("whsec_" + b64encode(bytes(65)).decode(), "holds 65 bytes"),
    ],
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(secret: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        read_secret(secret)
    assert secret.removeprefix("whsec_") not in str(caught.value)


def endpoint(**given: Any) -> Endpoint:
    return Endpoint(**{"name": "crm", "url": "https://crm.example/hooks", "secret": SECRET, **given})


def endpoints(*some: Endpoint) -> Endpoints:
    return Endpoints(some, tuple(EVENT_TYPES))


def test_an_event_goes_to_those_who_want_it() -> None:
    some = endpoints(
        endpoint(name="all"),
        endpoint(name="users", events=("user.*",), tenants=("acme",)),
        endpoint(name="desk", events=("member.joined", "room.*"), rooms=("desk:*",)),
    )
    assert some.route("user.online", "acme", None) == ["all", "users"]
    assert some.route("user.online", "other", None) == ["all"]
    assert some.route("member.joined", "acme", "desk:1") == ["all", "desk"]
    assert some.route("member.left", "acme", "desk:1") == ["all"]
    assert some.route("room.occupied", "acme", "lobby") == ["all"]
    assert [found.name for found in some.of_tenant("other")] == ["all", "desk"]
    assert some.types == set(EVENT_TYPES)
    assert endpoints(endpoint(events=("room.*",))).types == {"room.occupied", "room.vacated"}
    assert endpoints().route("user.online", "acme", None) == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"name": ""}, r"webhooks\[0\].name is empty"),
        ({"url": "crm.example"}, "must be https"),
        ({"url": "ftp://crm.example"}, "must be https"),
        ({"url": "https://[::1"}, "must be https"),
        ({"url": "https://crm.example:99999/"}, "must be https"),
        ({"url": "http://crm.example/"}, "plain HTTP"),
        ({"url": "http://127.0.0.1.example/"}, "plain HTTP"),
        ({"url": "https://me:word@crm.example/"}, "a user, a password"),
        ({"secret": "hunter2"}, r"webhooks\[0\].secret: it must begin"),
        ({"previous_secret": "hunter2"}, r"webhooks\[0\].previous_secret: it must begin"),
        ({"events": ("user.online", "users.*")}, "'users.\\*', which is no event"),
    ],
)
def test_an_endpoint_that_could_not_be_meant_is_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        endpoints(endpoint(**given))


def test_an_endpoint_may_be_here_or_where_it_is_allowed_to_be() -> None:
    endpoints(endpoint(url="http://localhost:9000/"), endpoint(name="b", url="http://crm.lan/", allow_private=True))
    with pytest.raises(ConfigError, match="another has"):
        endpoints(endpoint(), endpoint())


PRIVATE = """
10.0.0.1 172.16.0.1 192.168.1.1 127.0.0.1 127.9.9.9 0.0.0.0 169.254.169.254 100.64.0.1 224.0.0.1 255.255.255.255
192.0.2.1 198.18.0.1 240.0.0.1 ::1 :: fe80::1 fe80::1%eth0 fc00::1 fd12::1 ff02::1 2001:db8::1 ::ffff:10.0.0.1
::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::10.0.0.1 2002:a00:1:: 2001:0:4136:e378:8000:63bf:f5ff:fffe nonsense
"""
PUBLIC = "93.184.216.34 1.1.1.1 2606:4700::1111 ::ffff:1.1.1.1 64:ff9b::1.1.1.1"


@pytest.mark.parametrize("address", PRIVATE.split())
def test_what_is_not_the_internet_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_what_is_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


async def test_a_name_with_one_private_address_is_refused() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["1.1.1.1", "10.0.0.1"]

    with pytest.raises(AddressRefused, match=r"crm.example is 10.0.0.1, which is not public"):
        await judged("crm.example", 443, resolve, allow_private=False)
    assert await judged("crm.example", 443, resolve, allow_private=True) == "1.1.1.1"


async def test_a_name_that_leads_nowhere_is_refused() -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise OSError("not known")

    async def empty(host: str, port: int) -> list[str]:
        return []

    for resolve in (unknown, empty):
        with pytest.raises(AddressRefused):
            await judged("crm.example", 443, resolve, allow_private=True)


def test_waits_double_up_to_a_bound_and_scatter() -> None:
    schedule = Schedule(first_seconds=1, most_seconds=300, give_up_seconds=86_400)
    assert [schedule.wait_seconds(n, 0) for n in (1, 2, 3, 9, 10, 1_000_000)] == [1, 2, 4, 256, 300, 300]
    assert schedule.wait_seconds(1, 1) == 0.5
    assert not schedule.is_over(0, 86_399_999) and schedule.is_over(0, 86_400_000)


def settings(**given: Any) -> Settings:
    hook = {"name": "crm", "url": "https://crm.example/hooks", "secret": SECRET, **given}
    return load(None, {"webhooks": [hook]}, environment={})


def test_the_settings_name_endpoints() -> None:
    (found,) = configured(settings(events=["user.*"], timeout_seconds=3)).by_name.values()
    assert found == endpoint(events=("user.*",), timeout_seconds=3)
    with pytest.raises(ConfigError, match=r"webhooks.0.event is not known; did you mean 'events'"):
        settings(event=["user.*"])
    with pytest.raises(ConfigError) as caught:
        settings(secret=["hunter2"])
    assert "hunter2" not in str(caught.value)


def test_a_faulty_endpoint_is_found_before_serving() -> None:
    found = check_settings(settings(url="http://crm.example/"), is_dev=True)
    assert any("plain HTTP" in error for error in found.errors)
