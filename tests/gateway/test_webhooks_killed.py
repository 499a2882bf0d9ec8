"""A server that is killed between writing an event and sending it; and what the page shows, run as it stands."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from hereabouts.testing.arena import Arena
from hereabouts.testing.process import ServerProcess, free_port, serving
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.webhook_receiver import WebhookReceiver, answering, hang
from hereabouts.testing.wire import Wire

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with WebhookReceiver() as receiver:
        yield receiver


def config(receiver: WebhookReceiver) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in receiver.settings(timeout_seconds=30).items()]
    head = '[journal]\nurl = "sqlite:///journal.db"\n[policy.default]\npreset = "test"\n[[webhooks]]\n'
    return head + "\n".join(lines)


async def enter(server: ServerProcess, user_id: str, room: str) -> Wire:
    wire = await Wire.open(server.url)
    await wire.hello(f"dev:{user_id}")
    wire.beat_every(0.5)
    await wire.join(room)
    return wire


async def test_what_was_written_is_sent_after_a_kill_and_who_is_lost_is_told_of(
    tmp_path: Path, receiver: WebhookReceiver
) -> None:
    receiver.answer = hang
    async with serving(tmp_path, config(receiver)) as server:
        ada, bob = await enter(server, "ada", "lobby"), await enter(server, "bob", "lobby")
        await ada.ask("status", status="busy")
        async with httpx.AsyncClient(trust_env=False, base_url=server.http) as http:
            events = "/v1/admin/webhooks/events"
            admin = {"Authorization": "Bearer dev:root:admin"}

            async def kept() -> int:
                return len((await http.get(events, headers=admin)).json()["events"])

            async with asyncio.timeout(10):
                while await kept() < 6:
                    await pause(0.05)
        await eventually(lambda: len(receiver.requests) >= 3, what="they are on their way")
        await server.end(signal.SIGKILL)
        await ada.close()
        await bob.close()
        receiver.answer = answering(204)
        await server.start()
        back = await enter(server, "bob", "lobby")
        offline = await receiver.event("user.offline", within=15)
        await receiver.event("member.left", user_id="ada")
        assert (offline["data"]["user_id"], offline["data"]["cause"]) == ("ada", "node_lost")
        told = [event["type"] for event in receiver.told(user_id="ada")]
        assert told == ["user.online", "member.joined", "user.status", *told[3:]]
        assert sorted(told[3:]) == ["member.left", "user.offline"]
        assert [event["type"] for event in receiver.told(user_id="bob")] == ["user.online", "member.joined"]
        assert [event["type"] for event in receiver.told("room.occupied", "room.vacated")] == ["room.occupied"]
        await back.close()


async def test_admins_look_at_events_and_send_them_again(tmp_path: Path, receiver: WebhookReceiver) -> None:
    given = {"journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}"}, "webhooks": [receiver.settings()]}
    async with Arena(given) as arena:
        await arena.enter("ada", "lobby")
        await eventually(lambda: arena.node.webhooks.attempts["delivered"] == 3)
        base = f"http://127.0.0.1:{arena.port}/v1/admin/webhooks"
        async with httpx.AsyncClient(trust_env=False, headers={"Authorization": "Bearer dev:root:admin"}) as http:
            (endpoint,) = (await http.get(base)).json()["endpoints"]
            assert (endpoint["name"], endpoint["waiting"], endpoint["dead"]) == ("crm", 0, 0)
            page = (await http.get(f"{base}/events?limit=2")).json()
            rest = (await http.get(f"{base}/events", params={"after": page["next_after"]})).json()
            assert (len(page["events"]), page["has_more"], len(rest["events"]), rest["has_more"]) == (2, True, 1, False)
            assert page["events"][0]["body"] == receiver.told(user_id="ada")[0]
            body = {"endpoint": "crm", "after": page["next_after"]}
            replayed = (await http.post(f"{base}/replay", json=body)).json()
            assert replayed == {"replayed": 1, "next_after": rest["next_after"]}
            await eventually(lambda: len(receiver.requests) == 4)
            (act,) = (await http.get(f"http://127.0.0.1:{arena.port}/v1/admin/audit")).json()["entries"]
            assert (act["actor"], act["action"], act["target"]) == ("user:root", "webhook_replay", "endpoint:crm")
            nobody = await http.post(f"{base}/replay", json={"endpoint": "x", "after": 0})
            assert nobody.status_code == 404
            friend = await http.get(base, headers={"Authorization": "Bearer dev:ada:friend"})
            assert friend.status_code == 403


async def test_without_a_journal_there_are_no_events_to_look_at() -> None:
    async with Arena() as arena, httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(
            f"http://127.0.0.1:{arena.port}/v1/admin/webhooks/events",
            headers={"Authorization": "Bearer dev:root:admin"},
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "unsupported")


async def test_the_receiver_of_the_page_runs(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    port, script = free_port(), tmp_path / "receiver.py"
    script.write_text(block.replace("9000", str(port)))
    secret = re.findall(r'SECRET = "(.*?)"', block)[0]
    hook = {"name": "crm", "url": f"http://127.0.0.1:{port}/", "secret": secret, "events": ["user.online"]}
    given = {"journal": {"url": f"sqlite:///{tmp_path / 'journal.db'}"}, "webhooks": [hook]}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with Arena(given) as arena:
            await arena.enter("ada")
            await eventually(lambda: arena.node.webhooks.attempts["delivered"] == 1, within=15)
    finally:
        process.kill()
        output, _ = await process.communicate()
    assert b"user.online {'tenant': 'default'" in output
