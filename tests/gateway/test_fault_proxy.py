"""Each fault of the proxy, seen from both ends of a real connection."""

from __future__ import annotations

import asyncio
import struct
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random
from socket import SO_LINGER, SOL_SOCKET

import pytest

from hereabouts.testing.fault_proxy import FaultProxy, Faults, Link
from hereabouts.testing.waiting import eventually, never

WINDOW = 0.15
"""How long an absence is watched, in seconds."""


class Peer:
    """One end of a connection: keeps what came, how it came, and how it ended."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.chunks: list[bytes] = []
        self.end: str | None = None
        self.task = asyncio.create_task(self._read())

    @property
    def text(self) -> bytes:
        return b"".join(self.chunks)

    async def _read(self) -> None:
        try:
            while chunk := await self.reader.read(65536):
                self.chunks.append(chunk)
            self.end = "fin"
        except ConnectionResetError:
            self.end = "reset"

    def send(self, text: bytes) -> None:
        self.writer.write(text)

    async def close(self) -> None:
        self.task.cancel()
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


class Scene:
    """A server that only listens, the proxy before it, and as many clients as are asked for."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.accepted: list[Peer] = []
        self.proxy: FaultProxy

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.accepted.append(peer)
        self.peers.append(peer)

    async def connect(self) -> tuple[Peer, Peer, Link]:
        """A client, its other end at the server, and the link between them."""
        count = len(self.accepted)
        client = Peer(*await asyncio.open_connection("127.0.0.1", self.proxy.port))
        self.peers.append(client)
        await eventually(lambda: len(self.accepted) > count and len(self.proxy.links) > count)
        return client, self.accepted[-1], self.proxy.links[-1]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    async with FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1], random=Random(7)) as made.proxy:
        yield made
    for peer in made.peers:
        await peer.close()
    server.close()
    await server.wait_closed()


async def test_without_faults_everything_passes_and_the_link_ends_with_both_ends(scene: Scene) -> None:
    client, server, link = await scene.connect()
    text = Random(1).randbytes(1_000_000)
    client.send(text)
    server.send(text[::-1])
    await eventually(lambda: server.text == text and client.text == text[::-1])
    assert link.passed_bytes("up") == link.passed_bytes("down") == len(text)
    client.writer.write_eof()
    await eventually(lambda: server.end == "fin")
    server.send(b"still here")
    await eventually(lambda: client.text.endswith(b"still here"))
    server.writer.close()
    await eventually(lambda: client.end == "fin" and not scene.proxy.links)


async def test_a_black_hole_swallows_one_direction_and_its_end(scene: Scene) -> None:
    client, server, link = await scene.connect()
    link.up = Faults(is_black_hole=True)
    client.send(b"lost")
    server.send(b"heard")
    client.writer.write_eof()
    await eventually(lambda: client.text == b"heard" and link.swallowed_bytes("up") == 4)
    await never(lambda: server.text or server.end, during=WINDOW)
    assert link in scene.proxy.links


async def test_a_black_hole_swallows_a_dead_client(scene: Scene) -> None:
    client, server, link = await scene.connect()
    scene.proxy.up = scene.proxy.down = Faults(is_black_hole=True)
    client.writer.transport.abort()
    await never(lambda: server.end, during=WINDOW)
    assert scene.proxy.links == (link,)


async def test_a_black_hole_of_the_whole_proxy_takes_new_links_too(scene: Scene) -> None:
    scene.proxy.up = Faults(is_black_hole=True)
    client, server, _ = await scene.connect()
    client.send(b"lost")
    await never(lambda: server.text, during=WINDOW)


async def test_what_was_held_arrives_when_the_network_is_back(scene: Scene) -> None:
    client, server, link = await scene.connect()
    link.up = Faults(is_held=True)
    client.send(b"late")
    client.writer.write_eof()
    await never(lambda: server.text or server.end, during=WINDOW)
    link.up = Faults()
    await eventually(lambda: server.text == b"late" and server.end == "fin")


async def test_a_held_fin_keeps_only_the_end(scene: Scene) -> None:
    client, server, link = await scene.connect()
    link.up = Faults(holds_fin=True)
    client.send(b"last words")
    client.writer.close()
    await eventually(lambda: server.text == b"last words")
    await never(lambda: server.end, during=WINDOW)
    link.up = Faults()
    await eventually(lambda: server.end)


async def test_a_half_close_ends_one_direction_behind_the_senders_back(scene: Scene) -> None:
    client, server, link = await scene.connect()
    link.half_close("up")
    await eventually(lambda: server.end == "fin")
    server.send(b"go on")
    await eventually(lambda: client.text == b"go on")
    assert client.end is None


async def test_delay_and_jitter_keep_the_order_and_come_no_earlier(scene: Scene) -> None:
    client, server, link = await scene.connect()
    link.up = Faults(delay_seconds=0.05, jitter_seconds=0.05)
    began = time.monotonic()
    for number in range(20):
        client.send(b"%d," % number)
        await client.writer.drain()
    await eventually(lambda: server.text.count(b",") == 20)
    assert time.monotonic() - began >= 0.05
    assert server.text == b"".join(b"%d," % number for number in range(20))


async def test_lifting_a_delay_frees_what_was_waiting(scene: Scene) -> None:
    client, server, link = await scene.connect()
    link.up = Faults(delay_seconds=60)
    client.send(b"now")
    await never(lambda: server.text, during=WINDOW)
    link.up = Faults()
    await eventually(lambda: server.text == b"now")


async def test_the_same_seed_draws_the_same_chance() -> None:
    one, two = (FaultProxy("127.0.0.1", 1, random=Random(3)) for _ in range(2))
    assert [one.new_random().random() for _ in range(4)] == [two.new_random().random() for _ in range(4)]


async def test_a_throttle_takes_its_time(scene: Scene) -> None:
    client, server, link = await scene.connect()
    link.up = Faults(bytes_per_second=50_000)
    began = time.monotonic()
    client.send(bytes(10_000))
    await eventually(lambda: len(server.text) == 10_000)
    assert 0.18 <= time.monotonic() - began < 2


async def test_a_throttle_pushes_back_on_the_sender(scene: Scene) -> None:
    client, _, link = await scene.connect()
    link.up = Faults(bytes_per_second=1)
    client.send(bytes(64_000_000))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(WINDOW):
            await client.writer.drain()
    assert link.passed_bytes("up") <= 2


async def test_slices_arrive_one_by_one(scene: Scene) -> None:
    client, server, link = await scene.connect()
    link.up = Faults(slice_bytes=1, bytes_per_second=1000)
    client.send(b"letter by letter")
    await eventually(lambda: server.text == b"letter by letter")
    assert len(server.chunks) > 4


async def test_a_cut_resets_both_ends(scene: Scene) -> None:
    client, server, link = await scene.connect()
    link.cut()
    await eventually(lambda: client.end == server.end == "reset")
    await eventually(lambda: not scene.proxy.links)


async def test_a_cut_of_one_end_leaves_the_other_in_the_dark(scene: Scene) -> None:
    client, server, link = await scene.connect()
    link.cut(server=False)
    await eventually(lambda: client.end == "reset")
    server.send(b"anybody there?")
    await never(lambda: server.end, during=WINDOW)
    assert scene.proxy.links == (link,)


async def test_a_cut_after_so_many_bytes_passes_exactly_those(scene: Scene) -> None:
    client, server, link = await scene.connect()
    link.up = Faults(cut_after_bytes=5)
    client.send(b"abcdefgh")
    await eventually(lambda: client.end == server.end == "reset")
    assert server.text == b"abcde"


async def test_a_reset_of_one_end_reaches_the_other(scene: Scene) -> None:
    client, server, _ = await scene.connect()
    client.writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()
    await eventually(lambda: server.end == "reset")


async def test_who_does_not_accept_refuses_and_may_accept_again(scene: Scene) -> None:
    client, server, _ = await scene.connect()
    port = scene.proxy.port
    await scene.proxy.stop_accepting()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    client.send(b"the old link lives")
    await eventually(lambda: server.text == b"the old link lives")
    await scene.proxy.start_accepting()
    assert scene.proxy.port == port
    await scene.connect()


async def test_a_target_that_is_down_resets_the_client(scene: Scene) -> None:
    await scene.proxy.stop_accepting()
    async with FaultProxy("127.0.0.1", scene.proxy.port, random=Random(0)) as proxy:
        client = Peer(*await asyncio.open_connection("127.0.0.1", proxy.port))
        scene.peers.append(client)
        await eventually(lambda: client.end == "reset")
        assert proxy.links == ()
