"""Webhooks from a real server to a real receiver, which misbehaves."""

from __future__ import annotations

import asyncio
import resource
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hereabouts.errors import ConfigError
from hereabouts.journal.outbox import OutboxRow
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually, never, pause
from hereabouts.testing.webhook_receiver import WebhookReceiver, answering, flooding, hang, hang_up, trickle
from hereabouts.webhooks.endpoints import Endpoint
from hereabouts.webhooks.schedule import Schedule
from hereabouts.webhooks.sending import Sender

QUICK = Schedule(first_seconds=0.05, most_seconds=0.2, give_up_seconds=86_400)


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with WebhookReceiver() as receiver:
        yield receiver


@asynccontextmanager
async def serving(folder: Path, *webhooks: dict[str, Any], schedule: Schedule = QUICK) -> AsyncIterator[Arena]:
    arena = Arena({"journal": {"url": f"sqlite:///{folder / 'journal.db'}"}, "webhooks": list(webhooks)})
    arena.node.webhooks.schedule = schedule
    async with arena:
        yield arena


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


async def test_what_happens_is_told(tmp_path: Path, receiver: WebhookReceiver) -> None:
    async with serving(tmp_path, receiver.settings()) as arena:
        ada = await arena.enter("ada", "lobby")
        await ada.ask("status", status="busy")
        await ada.say("bye")
        await receiver.event("room.vacated")
        await receiver.event("user.offline")
        of_ada = receiver.told(user_id="ada")
        assert types(of_ada)[:3] == ["user.online", "member.joined", "user.status"]
        assert set(types(of_ada)[3:]) == {"member.left", "user.offline"}
        assert types(receiver.told("room.occupied", "room.vacated", room="lobby")) == ["room.occupied", "room.vacated"]
        assert receiver.requests[0].headers["content-type"] == "application/json"
        await eventually(lambda: arena.node.readings()["webhook_waiting"] == {"crm": 0})


async def test_a_reload_sends_nothing(tmp_path: Path, receiver: WebhookReceiver) -> None:
    async with serving(tmp_path, receiver.settings()) as arena:
        ada = await arena.enter("ada", "lobby")
        await eventually(lambda: len(receiver.told()) == 3)
        await ada.reset()
        await pause(0.3)
        await arena.come_back(ada, "ada")
        await never(lambda: len(receiver.told()) > 3, during=2.5)


async def test_whoever_was_lost_without_word_is_told_of_when_it_is_compared(
    tmp_path: Path, receiver: WebhookReceiver
) -> None:
    async with serving(tmp_path, receiver.settings()) as arena:
        await arena.enter("ada", "lobby")
        recorder = arena.node.context.recorder
        recorder.tell(OutboxRow("default", "user", "", "ghost", "online", None, 1))
        recorder.tell(OutboxRow("default", "member", "lobby", "ghost", "in", None, 1))
        await receiver.event("member.joined", user_id="ghost")
        arena.node.webhooks.settling.doubt()
        assert (await receiver.event("user.offline", user_id="ghost"))["data"]["cause"] == "node_lost"
        await receiver.event("member.left", user_id="ghost")
        assert types(receiver.told(user_id="ada")) == ["user.online", "member.joined"]


async def test_somebody_invisible_is_offline(tmp_path: Path, receiver: WebhookReceiver) -> None:
    async with serving(tmp_path, receiver.settings()) as arena:
        ada = await arena.enter("ada", "lobby")
        await ada.ask("status", status="invisible")
        await receiver.event("user.offline", user_id="ada")
        await receiver.event("member.left", user_id="ada")
        await arena.enter("ada", "attic")
        await never(lambda: receiver.told(room="attic") or len(receiver.told("user.online")) > 1, during=0.5)


async def test_a_receiver_that_was_down_gets_everything_in_order(tmp_path: Path, receiver: WebhookReceiver) -> None:
    await receiver.stop()
    async with serving(tmp_path, receiver.settings(events=["user.*"])) as arena:
        ada = await arena.enter("ada")
        for status in ("busy", "away", "dnd"):
            await ada.ask("status", status=status)
        await arena.enter("bob")
        await eventually(lambda: arena.node.webhooks.attempts["retry"] >= 2)
        await receiver.start()
        await receiver.event("user.online", user_id="bob")
        await receiver.event("user.status", status="dnd")
        told = [event["data"]["status"] for event in receiver.told(user_id="ada")]
        assert told == ["online", "busy", "away", "dnd"]


async def test_one_user_that_fails_delays_no_other(tmp_path: Path, receiver: WebhookReceiver) -> None:
    receiver.choose = lambda event: answering(500) if event["data"]["user_id"] == "ada" else None
    async with serving(tmp_path, receiver.settings(events=["user.*"])) as arena:
        ada = await arena.enter("ada")
        await ada.ask("status", status="busy")
        await arena.enter("bob")
        await receiver.event("user.online", user_id="bob")
        await eventually(lambda: len(receiver.requests) >= 4)
        assert types(receiver.told(user_id="ada")) == ["user.online"], "what is later waits for what is earlier"
        receiver.choose = lambda event: None
        await receiver.event("user.status", user_id="ada")


async def test_a_slow_endpoint_delays_no_other_and_gets_few_at_once(tmp_path: Path, receiver: WebhookReceiver) -> None:
    async with WebhookReceiver(answer=hang) as slow:
        hooks = receiver.settings(events=["user.*"]), slow.settings("slow", timeout_seconds=1)
        async with serving(tmp_path, *hooks) as arena:
            await asyncio.gather(*(arena.enter(f"user{n}") for n in range(20)))
            await eventually(lambda: len(receiver.told("user.online")) == 20)
            await eventually(lambda: arena.node.webhooks.attempts["retry"] >= 8)
            assert slow.most_at_once <= 8


@pytest.mark.parametrize(
    "answer", [answering(302, headers="Location: /elsewhere\r\n"), answering(404), answering(503), hang_up]
)
async def test_what_is_no_success_is_tried_again(tmp_path: Path, receiver: WebhookReceiver, answer: Any) -> None:
    receiver.answer = answer
    async with serving(tmp_path, receiver.settings(events=["user.online"])) as arena:
        await arena.enter("ada")
        await eventually(lambda: len(receiver.requests) >= 3)
        assert len(receiver.told()) == 1, "each attempt is the same event"
        receiver.answer = answering(200)
        await eventually(lambda: arena.node.webhooks.attempts["delivered"] == 1)


async def test_an_answer_of_200_mb_harms_nobody(tmp_path: Path, receiver: WebhookReceiver) -> None:
    receiver.answer = flooding(200_000_000)
    async with serving(tmp_path, receiver.settings(events=["user.online"])) as arena:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await asyncio.gather(*(arena.enter(f"user{n}") for n in range(5)))
        await eventually(lambda: arena.node.webhooks.attempts["delivered"] == 5)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "kilobytes"


async def test_410_disables_and_a_replay_enables(tmp_path: Path, receiver: WebhookReceiver) -> None:
    receiver.answer = answering(410)
    async with serving(tmp_path, receiver.settings(events=["user.online"])) as arena:
        await arena.enter("ada")
        webhooks = arena.node.webhooks
        await eventually(lambda: webhooks.lanes["crm"].state.disabled_at)
        receiver.answer = answering(200)
        await arena.enter("bob")
        await never(lambda: receiver.told(user_id="bob"), during=0.5)
        assert (await webhooks.replay("default", "crm", 0, None, only_dead=False)).events == 2
        await receiver.event("user.online", user_id="bob")
        await eventually(lambda: webhooks.attempts["delivered"] == 2)


async def test_what_failed_for_too_long_is_dead_and_can_be_replayed(tmp_path: Path, receiver: WebhookReceiver) -> None:
    receiver.answer = answering(500)
    short = Schedule(first_seconds=0.05, most_seconds=0.1, give_up_seconds=0.3)
    async with serving(tmp_path, receiver.settings(events=["user.online"]), schedule=short) as arena:
        await arena.enter("ada")
        await eventually(lambda: arena.node.readings()["webhook_dead"] == {"crm": 1})
        receiver.answer = answering(200)
        assert (await arena.node.webhooks.replay("default", "crm", 0, None, only_dead=True)).events == 1
        await eventually(lambda: arena.node.webhooks.attempts["delivered"] == 1)
        await eventually(lambda: arena.node.readings()["webhook_dead"] == {"crm": 0})


async def test_a_restart_in_order_tells_nothing_and_goes_on(tmp_path: Path, receiver: WebhookReceiver) -> None:
    await receiver.stop()
    async with serving(tmp_path, receiver.settings()) as arena:
        ada = await arena.enter("ada", "lobby")
        await eventually(lambda: arena.node.webhooks.attempts["retry"] >= 1)
    await receiver.start()
    async with serving(tmp_path, receiver.settings()) as arena:
        back = await arena.come_back(ada, "ada")
        await eventually(lambda: len(receiver.told()) == 3)
        await never(lambda: len(receiver.told()) > 3, during=2.5, what="news of a restart")
        await back.say("bye")
        await receiver.event("user.offline")


async def test_a_name_that_leads_into_the_private_network_is_not_called(receiver: WebhookReceiver) -> None:
    async def own(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    url = f"https://crm.example:{receiver.port}/hooks"
    sender = Sender(Endpoint(name="crm", url=url, secret=receiver.secret), time.time, own)
    result = await sender.send("evt_1", b"{}")
    await sender.close()
    assert result.outcome == "retry" and "which is not public" in result.error
    assert receiver.requests == []


def test_webhooks_need_a_journal() -> None:
    with pytest.raises(ConfigError, match="webhooks need a journal"):
        Arena({"webhooks": [WebhookReceiver(port=1).settings()]})


async def test_the_connection_goes_to_the_address_that_was_judged(receiver: WebhookReceiver) -> None:
    async def own(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    url = f"http://crm.invalid:{receiver.port}/hooks?a=b"
    sender = Sender(Endpoint(name="crm", url=url, secret=receiver.secret, allow_private=True), time.time, own)
    result = await sender.send("evt_1", b'{"id": "evt_1"}')
    await sender.close()
    assert result.outcome == "delivered"
    assert receiver.requests[0].headers["host"] == f"crm.invalid:{receiver.port}"


async def test_a_backlog_greater_than_the_memory_for_it_is_sent_in_order(
    tmp_path: Path, receiver: WebhookReceiver
) -> None:
    await receiver.stop()
    async with serving(tmp_path, receiver.settings(events=["user.*"])) as arena:
        journal = arena.node.context.journal
        statuses = [("online", "away", "busy")[n % 3] for n in range(80)]
        for n, status in enumerate(statuses):
            journal.record([OutboxRow("default", "user", "", f"u{u}", status, None, n) for u in range(5)])
        await journal.flush()
        await eventually(lambda: arena.node.webhooks.attempts["retry"] >= 5)
        await receiver.start()
        of_users = ("user.online", "user.status")
        await eventually(lambda: len(receiver.told(*of_users)) == 400, within=20)
        for u in range(5):
            assert [event["data"]["at"] for event in receiver.told(*of_users, user_id=f"u{u}")] == [*range(80)]


async def test_an_erased_user_is_not_told_of_even_from_memory(tmp_path: Path, receiver: WebhookReceiver) -> None:
    receiver.answer = answering(500)
    async with serving(tmp_path, receiver.settings(events=["user.*"])) as arena:
        ada = await arena.enter("ada")
        await ada.ask("status", status="busy")
        await eventually(lambda: len(receiver.requests) >= 2)
        assert await arena.node.webhooks.erase("default", "ada") == 2
        seen = len(receiver.requests)
        receiver.answer = answering(200)
        await never(lambda: len(receiver.requests) > seen + 1, during=0.7)
        await arena.enter("bob")
        await receiver.event("user.online", user_id="bob")


async def test_a_status_counts_whatever_becomes_of_the_body(tmp_path: Path, receiver: WebhookReceiver) -> None:
    receiver.answer = trickle
    async with serving(tmp_path, receiver.settings(events=["user.online"], timeout_seconds=2)) as arena:
        await arena.enter("ada")
        await eventually(lambda: arena.node.webhooks.attempts["delivered"] == 1)
        assert len(receiver.requests) == 1


def certificate(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server of this name presents, and what trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both").write_bytes(private + pem)
    presents = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    presents.load_cert_chain(folder / "both")
    return presents, ssl.create_default_context(cadata=pem.decode())


async def test_the_certificate_is_that_of_the_name(tmp_path: Path) -> None:
    async def own(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    presents, trusts = certificate("crm.invalid", tmp_path)
    async with WebhookReceiver(tls=presents) as receiver:
        for host, outcome in (("crm.invalid", "delivered"), ("other.invalid", "retry")):
            url = f"https://{host}:{receiver.port}/hooks"
            hook = Endpoint(name="crm", url=url, secret=receiver.secret, allow_private=True)
            sender = Sender(hook, time.time, own, trusts)
            result = await sender.send("evt_1", b'{"id": "evt_1"}')
            await sender.close()
            assert result.outcome == outcome, result
        assert len(receiver.requests) == 1
