"""nginx and Caddy with the configurations of deploy/, as ordinary processes before a real server.

Only addresses differ, and TLS, which needs a name and a certificate.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from hereabouts.testing.arena import BEAT_SECONDS, Arena
from hereabouts.testing.process import free_port
from hereabouts.testing.programs import program, running
from hereabouts.testing.waiting import eventually, pause
from hereabouts.testing.wire import PATIENCE_SECONDS, Wire

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
NGINX: Final = (DEPLOY / "nginx" / "hereabouts.conf").read_text("utf-8")
CADDY: Final = (DEPLOY / "caddy" / "Caddyfile").read_text("utf-8")
TRUSTING: Final = {"server": {"trusted_proxies": ["127.0.0.1"]}}
ELSEWHERE: Final = "127.0.0.2"
"""An address of this machine that is no proxy's."""


def nginx_page(folder: Path, port: int, nodes: list[int]) -> Path:
    """The shipped configuration in a whole one, with these ports and without TLS."""
    site = re.sub(r"listen 443 ssl[^;]*;", f"listen 127.0.0.1:{port};", NGINX)
    site = re.sub(r"\n\s+ssl_\w+[^;]+;", "", site)
    for number, node in enumerate(nodes, 1):
        site = site.replace(f"node-{number}:8765", f"127.0.0.1:{node}")
    site = re.sub(r"\n\s+server node-\d:8765[^;]*;", "", site)
    assert "node-" not in site and "ssl" not in site
    temporary = "".join(
        f"{kind}_temp_path {folder};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    page = folder / "nginx.conf"
    page.write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;\nevents {{}}\n"
        f"http {{ access_log off;\n{temporary}{site} }}\n"
    )
    return page


@contextmanager
def nginx(folder: Path, nodes: list[int]) -> Iterator[int]:
    """nginx before nodes on these ports: its port."""
    port = free_port()
    page = nginx_page(folder, port, nodes)
    command = [program("nginx"), "-p", str(folder), "-c", str(page)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    with running(command, folder / "nginx.log", port):
        yield port


@contextmanager
def caddy(folder: Path, nodes: list[int]) -> Iterator[int]:
    """Caddy before nodes on these ports: its port."""
    port, admin = free_port(), free_port()
    page = folder / "Caddyfile"
    page.write_text(CADDY.replace("{\n", f"{{\n\tadmin 127.0.0.1:{admin}\n", 1))
    environment = {
        "HEREABOUTS_SITE": f"http://127.0.0.1:{port}",
        "HEREABOUTS_NODES": " ".join(f"127.0.0.1:{node}" for node in nodes),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }
    command = [program("caddy"), "run", "--config", str(page), "--adapter", "caddyfile"]
    with running(command, folder / "caddy.log", port, environment):
        yield port


Proxy = Callable[[Path, list[int]], AbstractContextManager[int]]

every_proxy = pytest.mark.parametrize("proxy", [nginx, caddy])


@pytest.fixture
async def arena() -> AsyncIterator[Arena]:
    async with Arena(TRUSTING) as arena:
        yield arena


@every_proxy
async def test_a_websocket_is_passed_on_both_ways(proxy: Proxy, arena: Arena, tmp_path: Path) -> None:
    with proxy(tmp_path, [arena.port]) as port:
        ada, bob = await behind(port, "ada"), await behind(port, "bob")
        await ada.join("lobby")
        await bob.join("lobby")
        await ada.event("lobby", "join", "bob")
        await bob.ask("update", room="lobby", state={"typed": 1})
        await ada.event("lobby", "update", "bob")
        await bob.close()
        await ada.event("lobby", "leave", "bob")
        await ada.close()


async def behind(port: int, user_id: str, **options: Any) -> Wire:
    """A user's tab on the far side of a proxy; it beats."""
    wire = await Wire.open(f"ws://127.0.0.1:{port}/v1/ws", proxy=None, **options)
    await wire.hello(f"dev:{user_id}")
    wire.beat_every(BEAT_SECONDS)
    return wire


@every_proxy
async def test_an_event_stream_flows_as_it_comes(proxy: Proxy, arena: Arena, tmp_path: Path) -> None:
    with proxy(tmp_path, [arena.port]) as port:
        address = f"http://127.0.0.1:{port}/v1/events?rooms=lobby"
        headers = {"Authorization": "Bearer dev:eve"}
        async with httpx.AsyncClient(trust_env=False) as http, http.stream("GET", address, headers=headers) as stream:
            assert (stream.status_code, stream.headers["content-type"].split(";")[0]) == (200, "text/event-stream")
            lines = stream.aiter_lines()
            await said(lines, "snapshot")
            await arena.enter("ada", "lobby")
            assert '"ada"' in await said(lines, "delta")


async def said(lines: AsyncIterator[str], kind: str) -> str:
    """The next message of this type."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for line in lines:
            if line.startswith("data: ") and json.loads(line[6:])["type"] == kind:
                return line
    raise AssertionError("the stream ended")


@every_proxy
async def test_limits_count_by_the_client_s_address_whatever_it_claims(
    proxy: Proxy, arena: Arena, tmp_path: Path
) -> None:
    with proxy(tmp_path, [arena.port]) as port:
        forged = {"X-Forwarded-For": "192.0.2.9"}
        address = f"ws://127.0.0.1:{port}/v1/ws"
        wire = await Wire.open(address, proxy=None, local_addr=(ELSEWHERE, 0), additional_headers=forged)
        count = arena.node.driver.unauthenticated
        await eventually(lambda: count(ELSEWHERE) == 1)
        assert (count("192.0.2.9"), count("127.0.0.1")) == (0, 0)
        await wire.close()


@every_proxy
async def test_metrics_and_readiness_stay_inside(proxy: Proxy, arena: Arena, tmp_path: Path) -> None:
    with proxy(tmp_path, [arena.port]) as port:
        async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{port}") as http:
            found = {path: (await http.get(path)).status_code for path in ("/metrics", "/readyz", "/healthz")}
    assert found == {"/metrics": 404, "/readyz": 404, "/healthz": 200}


@every_proxy
async def test_a_node_that_drains_gets_nobody_new_and_keeps_whom_it_has(proxy: Proxy, tmp_path: Path) -> None:
    async with Arena(TRUSTING) as old, Arena(TRUSTING) as new:
        with proxy(tmp_path, [old.port, new.port]) as port:
            tabs = [await behind(port, f"user-{number}") for number in range(4)]
            held = old.node.driver.links
            assert 0 < len(held) < 4
            before = len(held)
            old.node.driver.is_draining = True
            await eventually_all_come_in(port)
            assert len(old.node.driver.links) == before
            for tab in tabs:
                await tab.join("lobby")
            old.node.driver.is_draining = False
            for tab in tabs:
                await tab.close()


async def eventually_all_come_in(port: int) -> None:
    """Six tabs in a row are let in. nginx asks the next node at once, Caddy learns of it within two seconds."""
    in_a_row = 0
    async with asyncio.timeout(2 * PATIENCE_SECONDS):
        while in_a_row < 6:
            try:
                tab = await behind(port, "late")
            except InvalidStatus:
                in_a_row = 0
                await pause(0.2)
                continue
            await tab.close()
            in_a_row += 1


def test_caddy_s_streams_outlive_a_reload_of_its_configuration(tmp_path: Path) -> None:
    assert "stream_close_delay 1h" in CADDY
    command = [program("caddy"), "validate", "--config", str(DEPLOY / "caddy" / "Caddyfile"), "--adapter", "caddyfile"]
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    checked = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert checked.returncode == 0, checked.stderr
    assert '"level":"warn"' not in checked.stderr
