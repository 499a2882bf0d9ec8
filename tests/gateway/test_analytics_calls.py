"""The calls about the past: the page of docs/ about them, who may ask, what is refused, and a day of a real server."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final

import httpx
import pytest

from hereabouts.auth.api_keys import new_key
from hereabouts.gateway.analytics import ANALYTICS
from hereabouts.journal.base import Row, SessionClosed, SessionOpened, Transition
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually, pause

PAGE: Final = (Path(__file__).parents[2] / "docs" / "analytics.md").read_text("utf-8")
EXAMPLES: Final = re.findall(r"^`GET (/\S+)`\n\n```json\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)

SCOPES = {"auditor": ["admin:read"], "reader": ["read"]}
KEYS = {name: new_key(name, scopes, [], token_bytes) for name, scopes in SCOPES.items()}
AUTH: Final[dict[str, Any]] = {
    "api_keys": [
        {"name": name, "hash": key.line.split('hash = "')[1][:64], "scopes": SCOPES[name]} for name, key in KEYS.items()
    ]
}

EIGHT: Final = 1_772_438_400_000
"""Monday, 2 March 2026, 8 o'clock in UTC."""

HOUR: Final = 3_600_000
T: Final = "default"

STORY: Final[list[Row]] = [
    SessionOpened(T, "a1", "ada", "n1", "web", EIGHT),
    Transition(T, "ada", "offline", "online", None, EIGHT),
    SessionOpened(T, "b1", "bob", "n1", "phone", EIGHT + HOUR),
    Transition(T, "bob", "offline", "online", None, EIGHT + HOUR),
    Transition(T, "bob", "online", "busy", None, EIGHT + 2 * HOUR),
    Transition(T, "bob", "busy", "online", None, EIGHT + 3 * HOUR),
    SessionClosed(T, "a1", EIGHT + 4 * HOUR, "leave", EIGHT + 4 * HOUR),
    Transition(T, "ada", "online", "offline", "leave", EIGHT + 4 * HOUR),
    SessionClosed(T, "b1", EIGHT + 4 * HOUR, "lease_expired", EIGHT + 4 * HOUR - 60_000),
    Transition(T, "bob", "online", "offline", "lease_expired", EIGHT + 4 * HOUR),
    SessionOpened(T, "a2", "ada", "n1", "web", EIGHT + 5 * HOUR),
    Transition(T, "ada", "offline", "online", None, EIGHT + 5 * HOUR),
    SessionClosed(T, "a2", EIGHT + 9 * HOUR, "leave", EIGHT + 9 * HOUR),
    Transition(T, "ada", "online", "offline", "leave", EIGHT + 9 * HOUR),
]

DAY = f"from_at={EIGHT}&to_at={EIGHT + 16 * HOUR}"
QUERIES: Final = {call.path: "at=1" if call.path.endswith("/at") else DAY for call in ANALYTICS}


@asynccontextmanager
async def asking(arena: Arena, credential: str = KEYS["auditor"].key) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {credential}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", headers=headers, timeout=5) as http:
        yield http


@pytest.fixture
async def arena(tmp_path: Path) -> AsyncIterator[Arena]:
    """A server with that day in its journal."""
    journal = {
        "url": f"sqlite:///{tmp_path / 'journal.db'}",
        "flush_seconds": 0.01,
        "keep_sessions_days": 36_500,
        "keep_transitions_days": 36_500,
    }
    async with Arena({"auth": AUTH, "journal": journal, "server": {"region_header": "X-Region"}}) as arena:
        arena.node.context.journal.record(STORY)
        await arena.node.context.journal.flush()
        yield arena
        assert arena.node.context.telemetry.faults == 0


async def test_the_examples_of_the_page_are_true(arena: Arena) -> None:
    async with asking(arena) as http:
        told = {path: (await http.get(path)).json() for path, _ in EXAMPLES}
    assert told == {path: json.loads(text) for path, text in EXAMPLES}
    assert {path.partition("?")[0] for path in told} == {call.path for call in ANALYTICS}


async def test_each_answer_is_there_as_a_table(arena: Arena) -> None:
    async with asking(arena) as http:
        tables = {path: await http.get(f"{path}?{query}&format=csv") for path, query in QUERIES.items()}
    assert {answer.headers["content-type"] for answer in tables.values()} == {"text/csv; charset=utf-8"}
    heads = {path.rpartition("/")[2]: answer.text.split("\r\n") for path, answer in tables.items()}
    assert heads["statuses"][:2] == [
        "user_id,online_seconds,idle_seconds,away_seconds,busy_seconds,dnd_seconds,offline_seconds",
        "ada,28800.0,0.0,0.0,0.0,0.0,28800.0",
    ]
    assert heads["attendance"][2] == (f"bob,2026-03-02,10740.0,10800.0,true,{EIGHT + HOUR},{EIGHT + 4 * HOUR - 60_000}")
    assert len(heads["online"]) == 16 + 2


async def test_users_come_in_pages_of_json_and_of_csv(arena: Arena) -> None:
    async with asking(arena) as http:
        for name in ("statuses", "attendance"):
            path = f"/v1/admin/analytics/{name}?{DAY}&limit=1"
            first = (await http.get(path)).json()
            second = (await http.get(f"{path}&cursor={first['next_cursor']}")).json()
            third = (await http.get(f"{path}&cursor={second['next_cursor']}")).json()
            assert [page["users"][0]["user_id"] for page in (first, second)] == ["ada", "bob"]
            assert (third["users"], third["next_cursor"]) == ([], None)
            table = await http.get(f"{path}&format=csv")
            assert table.links["next"]["url"] == "?cursor=ada"


@pytest.mark.parametrize(
    "credential", [KEYS["reader"].key, "dev:ada", "dev:ada:guest"], ids=["reader", "user", "guest"]
)
async def test_only_admins_may_ask(arena: Arena, credential: str) -> None:
    async with asking(arena, credential) as http:
        assert {(await http.get(f"{path}?{query}")).status_code for path, query in QUERIES.items()} == {403}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "from_at=1&to_at=1",
        "from_at=2&to_at=1",
        "from_at=-1&to_at=1",
        "from_at=1&to_at=99999999999999999",
        "from_at=1&to_at=2&tz=Mars",
        "from_at=1&to_at=2&interval_seconds=61",
        "from_at=1&to_at=2&interval_seconds=0",
        "from_at=1&to_at=4102444800000&interval_seconds=60",
        "from_at=1&to_at=2&format=xml",
    ],
)
async def test_what_cannot_be_meant_is_refused(arena: Arena, query: str) -> None:
    async with asking(arena, "dev:root:admin") as http:
        answer = await http.get(f"/v1/admin/analytics/online?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_without_a_journal_there_is_no_past() -> None:
    async with Arena() as arena, asking(arena, "dev:root:admin") as http:
        for path, query in QUERIES.items():
            answer = await http.get(f"{path}?{query}")
            assert (answer.status_code, answer.json()["code"]) == (400, "unsupported"), path


async def test_what_happens_now_is_in_the_next_answer(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby", platform="web")
    now_at = arena.node.context.now().at
    async with asking(arena) as http:

        async def here() -> list[Any]:
            await arena.node.context.journal.flush()
            answer = await http.get("/v1/admin/analytics/at", params={"at": arena.node.context.now().at})
            return [(user["user_id"], user["status"], len(user["sessions"])) for user in answer.json()["users"]]

        assert await here() == [("ada", "online", 1)]
        span = {"from_at": now_at - HOUR, "to_at": now_at + HOUR}
        attended = (await http.get("/v1/admin/analytics/attendance", params=span)).json()["users"]
        assert [(user["user_id"], user["spans"][0]["is_open"]) for user in attended] == [("ada", True)]
        await ada.say("bye")
        await eventually(lambda: len(arena.node.registry) == 0)
        async with asyncio.timeout(5):
            while await here():
                await pause(0.01)


async def test_the_region_comes_from_the_header_of_the_proxy_or_from_the_token(arena: Arena) -> None:
    """By socket and by HTTP; five users make a group, four do not."""
    for number in range(3):
        wire = await arena.connect(additional_headers={"X-Region": "eu"})
        await wire.hello(f"dev:socket{number}")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{arena.port}", timeout=5) as http:
        for number in range(2):
            answer = await http.post(
                "/v1/heartbeat",
                json={},
                headers={"Authorization": f"Bearer dev:beat{number}", "X-Region": "eu"},
            )
            assert answer.status_code == 200
        for number, region in enumerate(["us"] * 4 + ["x" * 65] * 5):
            headers = {"Authorization": f"Bearer dev:few{number}", "X-Region": region}
            assert (await http.post("/v1/heartbeat", json={}, headers=headers)).status_code == 200
    await arena.node.context.journal.flush()
    now_at = arena.node.context.now().at
    async with asking(arena) as asker:
        span = {"from_at": now_at - HOUR, "to_at": now_at + HOUR}
        answer = await asker.get("/v1/admin/analytics/regions", params=span)
    assert answer.json() == {"users_least": 5, "regions": [{"region": "eu", "users": 5, "sessions": 5}]}


async def test_a_long_question_does_not_keep_presence_from_its_answers(arena: Arena) -> None:
    journal = arena.node.context.journal
    history: Any = journal.history

    def dawdle(connection: sqlite3.Connection) -> None:
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
        ).fetchone()

    asked = asyncio.create_task(history._ask(dawdle))
    async with asyncio.timeout(5):
        for _ in range(20):
            await journal.last_seen(T, ["ada"])
    assert not asked.done()
    await history.close()
    with pytest.raises(Exception, match="interrupted"):
        await asked
    await history.open()
