"""100,000 frames of nonsense, while two people go on talking and notice nothing."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median

import httpx

from hereabouts.testing.process import TEST_PROFILE, serving
from hereabouts.testing.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawSocket, frame
from hereabouts.testing.waiting import pause
from hereabouts.testing.wire import Wire

FRAMES = int(os.environ.get("HEREABOUTS_TEST_FUZZ_FRAMES", "100000"))
SEED = 20
CROWD = 2
FRAMES_PER_CONNECTION = 250
BURST = 25

WINDOW_SECONDS = 0.05
"""Nobody sees a delay below the shortest window of a stream."""

MEMORY_BYTES = 60_000_000
"""What the server may take up beyond what it had, whatever is thrown at it."""

CONFIG = TEST_PROFILE + "[limits]\nframes_per_second = 1000000\nsessions_per_user = 10000\n"

GOOD: list[dict[str, object]] = [
    {"type": "join", "id": 1, "room": "pit", "state": {"a": [1, {"b": "c"}], "d": None}},
    {"type": "update", "id": 2, "room": "pit", "state": {"a": 0.5, "e": "é"}},
    {"type": "leave", "id": 3, "room": "pit"},
    {"type": "watch", "id": 4, "rooms": ["pit", "lobby"], "users": ["ada", "bob"], "mode": "count", "replace": True},
    {"type": "unwatch", "id": 5, "rooms": ["pit"], "users": ["ada"]},
    {"type": "typing", "room": "pit", "on": True},
    {"type": "status", "id": 6, "status": "dnd", "text": "x", "emoji": "🦊", "until_at": 4102444800000},
    {"type": "beat", "visible": True, "active": False},
    {"type": "sync", "id": 7, "room": "pit"},
    {"type": "refresh", "id": 8, "token": "x.y.z"},
    {"type": "hello", "token": "dev:fuzz", "seen": {"pit": ["e", 1]}, "resume": "x"},
]

SPICE = [
    b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"-0", b'"\\ud800"', b'"\\u0000"', b"null", b"{}", b"[]", b"[" * 60,
    b'{"a":1,"a":2}', b'"type":"bye"', b"\xff\xfe", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x00", b'"__proto__":{}',
    b"\xe2\x80\xae", b"true", b"1.5", b"18446744073709551616", b'"id":1,', b",", b":", b'"', b"\\", b"x" * 5_000,
]  # fmt: skip


def mutated(random: Random) -> bytes:
    """Nearly a message."""
    text = bytearray(json.dumps(random.choice(GOOD), ensure_ascii=random.random() < 0.5).encode())
    for _ in range(random.randrange(4)):
        at = random.randrange(len(text) + 1)
        until = min(len(text), at + random.choice((0, 0, 1, 1, 4, 20)))
        change = random.randrange(4)
        if change == 0:
            text[at:until] = random.choice(SPICE)
        elif change == 1:
            text[at:until] = random.randbytes(until - at)
        elif change == 2:
            text[at:at] = text[until:][: random.randrange(1, 40)]
        else:
            del text[at:until]
    return bytes(text)


def strange(random: Random) -> bytes:
    """A frame that harms the connection that it comes over, at most."""
    text = mutated(random)
    middle = len(text) // 2
    kinds: list[Callable[[], bytes]] = [
        lambda: random.randbytes(random.randrange(1, 400)),
        lambda: frame(TEXT, text, rsv=random.randrange(1, 8)),
        lambda: frame(TEXT, text, mask=None),
        lambda: frame(BINARY, random.randbytes(200)),
        lambda: frame(random.choice((3, 4, 5, 6, 7, 11, 15)), text[:100]),
        lambda: frame(CONTINUATION, text),
        lambda: frame(TEXT, text[:middle], fin=False) + frame(TEXT, text[middle:]),
        lambda: frame(TEXT, text, fin=False),
        lambda: frame(TEXT, b" " * random.choice((65_537, 200_000))),
        lambda: b"\x81\xff" + random.randbytes(12),
        lambda: frame(CLOSE, random.randbytes(random.randrange(5))),
        lambda: frame(PING, random.randbytes(random.randrange(130))),
        lambda: frame(TEXT, text)[: -random.randrange(1, 5)],
    ]
    return random.choice(kinds)()


def whole(random: Random) -> bytes:
    """A frame after which the connection goes on: text as it may come, or something that must not matter."""
    text = mutated(random).decode("utf-8", "replace").encode()
    chance = random.random()
    if chance < 0.05:
        middle = random.randrange(len(text) + 1)
        return frame(TEXT, text[:middle], fin=False) + frame(PING, b"in between") + frame(CONTINUATION, text[middle:])
    if chance < 0.1:
        return frame(random.choice((PING, PONG)), random.randbytes(random.randrange(126)))
    return frame(TEXT, text)


async def fuzz(port: int, random: Random, frames: int, user_id: str) -> list[str]:
    """Send so many frames over as many connections as that takes; the error codes that came back."""
    codes: list[str] = []
    while frames > 0:
        async with RawSocket(port) as raw:
            await raw.enter(user_id)
            try:
                for _ in range(min(frames, FRAMES_PER_CONNECTION) // BURST):
                    for _ in range(BURST - 1):
                        raw.send(whole(random))
                    mark = random.randbytes(8)
                    raw.send(frame(PING, mark))
                    frames -= BURST
                    while (got := await raw.next(within=20)).payload != mark:
                        if got.opcode == CLOSE:
                            raise EOFError
                        if got.opcode == TEXT and got.message["type"] == "error":
                            codes.append(got.message["code"])
                for _ in range(3):
                    raw.send(strange(random))
                raw.send(frame(CLOSE, b"\x03\xe8"))
                frames -= 4
                await raw.drain()
            except EOFError:
                frames -= BURST
    return codes


async def latencies(bob: Wire, ada: Wire, seconds: float) -> list[float]:
    """How long bob's updates take to reach ada."""
    found = []
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        number += 1
        since = time.monotonic()
        await bob.ask("update", room="lobby", state={"n": number})
        found.append(await ada.event("lobby", "update", "bob") - since)
        await pause(3 * WINDOW_SECONDS)
    return found


async def test_nonsense_harms_nobody_but_its_sender(tmp_path: Path) -> None:
    async with serving(tmp_path, CONFIG) as server:
        ada, bob = [await entered(server.url, name) for name in ("ada", "bob")]
        await ada.event("lobby", "join", "bob")
        await pause(2 * WINDOW_SECONDS)
        quiet = await latencies(bob, ada, 2)
        memory = server.rss_bytes
        random = Random(SEED)
        crowd = [
            asyncio.create_task(fuzz(server.port, Random(random.random()), FRAMES // CROWD, f"fuzz{number}"))
            for number in range(CROWD)
        ]
        noisy = []
        while not all(task.done() for task in crowd):
            noisy += await latencies(bob, ada, 1)
        codes = {code for task in crowd for code in await task}
        assert codes >= {"bad_request", "unsupported", "not_joined"}
        assert "internal" not in codes
        assert median(noisy) <= max(2 * median(quiet), WINDOW_SECONDS)
        assert server.rss_bytes - memory < MEMORY_BYTES
        assert not ada.untaken("error", "ended") and not bob.untaken("error", "ended")
        assert [event for event in ada.folds.told("lobby") if event[1] in ("ada", "bob")] == [("join", "bob")]
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{server.http}/healthz")).status_code == 200
            assert (await http.get(f"{server.http}/readyz")).status_code == 200
        assert "Traceback" not in server.log, server.log
        for wire in (ada, bob):
            await wire.reset()


async def entered(url: str, user_id: str) -> Wire:
    wire = await Wire.open(url)
    await wire.hello(f"dev:{user_id}")
    wire.beat_every(0.5, active=True)
    await wire.join("lobby")
    return wire
