"""`hereabouts top` and `hereabouts sweep`, as an operator types them, against a server that runs."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from typing import NamedTuple

from rich.console import Console

from hereabouts.remote import Remote
from hereabouts.testing.arena import Arena
from hereabouts.testing.waiting import eventually
from hereabouts.top import beats_per_second, watch

ADMIN = "dev:eve:admin"


class Done(NamedTuple):
    code: int | None
    out: str
    error: str


async def hereabouts(
    arena: Arena, *arguments: str, api_key: str = ADMIN, url: str | None = None, columns: int = 200
) -> Done:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEREABOUTS_")}
    told = {"HEREABOUTS_API_KEY": api_key, "HEREABOUTS_URL": url or f"http://127.0.0.1:{arena.port}"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hereabouts", *arguments),
        env={**kept, **told, "NO_COLOR": "1", "COLUMNS": str(columns)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await asyncio.wait_for(process.communicate(), 30)
    return Done(process.returncode, out.decode(), error.decode())


async def test_top_lists_who_is_here_where_and_how(arena: Arena) -> None:
    await arena.enter("ada", "lobby", platform="web")
    bob = await arena.enter("bob", "lobby", "doc:1")
    await bob.ask("status", status="invisible")
    done = await hereabouts(arena, "top", "--once")
    assert done.code == 0, done.error
    lines = [line.replace("│", " ").replace("┃", " ").split() for line in done.out.splitlines()]
    assert ["lobby", "2", "2", "2", "roster"] in lines
    assert ["ada", "online", "live", "web", "lobby"] in [line[:5] for line in lines]
    assert any(line[:2] == ["bob", "invisible"] for line in lines)
    only = await hereabouts(arena, "top", "--once", "--room", "doc:1")
    assert "ada" not in only.out


async def test_the_words_of_top_are_whole_in_a_usual_terminal(arena: Arena) -> None:
    done = await hereabouts(arena, "top", "--once", columns=80)
    for word in ("ghosts 0", "connections 0", " users ", " online ", " invisible ", " stale "):
        assert word in done.out


async def test_a_sweep_says_what_was_done_and_on_trial_what_would_be(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby", beats=False)
    await ada.reset()
    await eventually(lambda: not arena.node.driver.links)
    trial = await hereabouts(arena, "sweep", "--dry-run")
    assert trial.code == 0, trial.error
    assert trial.out.startswith("would be removed: ")
    assert "sessions judged" in trial.out
    done = await hereabouts(arena, "sweep", "--reason", "after the move")
    assert (done.code, done.out.splitlines()[0][:9]) == (0, "removed: ")


async def test_what_cannot_be_asked_is_told_in_a_line(arena: Arena) -> None:
    stranger = await hereabouts(arena, "top", "--once", api_key="dev:ada")
    nobody = await hereabouts(arena, "sweep", url="http://127.0.0.1:9")
    wrong = await hereabouts(arena, "top", "--once", url="elsewhere")
    for done, text in ((stranger, "forbidden"), (nobody, "no server answers at"), (wrong, "no address of a server")):
        assert (done.code, len(done.error.splitlines())) == (2, 1), done.error
        assert text in done.error


async def test_it_is_drawn_anew_with_the_beats_of_a_second(arena: Arena) -> None:
    ada = await arena.enter("ada", "lobby[bold]")
    page = io.StringIO()
    async with Remote(f"http://127.0.0.1:{arena.port}", ADMIN) as remote:
        first = await remote.look(sessions=5, rooms=5)
        await ada.say("beat")
        await ada.expect("beat")
        second = await remote.look(sessions=5, rooms=5)
        drawing = Console(file=page, width=200, force_terminal=True)
        task = asyncio.create_task(watch(remote, drawing, interval_seconds=0.2, sessions=5, user_id=None, room=None))
        await eventually(lambda: "/s " in page.getvalue())
        task.cancel()
        await asyncio.wait([task])
    rate = beats_per_second(second, first)
    assert rate is not None
    assert rate > 0
    assert beats_per_second(first, None) is None
    assert beats_per_second(first, second) is None
    assert "lobby[bold]" in page.getvalue()
