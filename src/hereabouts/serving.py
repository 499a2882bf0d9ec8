"""From settings to a node with open doors, and its life in a process: start, serve, drain, stop."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
from collections.abc import Callable

import structlog
import uvloop

from hereabouts.auth.minting import minter
from hereabouts.auth.resolver import Resolver
from hereabouts.auth.tokens import DevVerifier, Verifier, jwt_verifier
from hereabouts.backends.opening import MEMORY, open_backend
from hereabouts.checks import auth_config, endpoints, has_keys, key_ring, origins, refuse_faulty
from hereabouts.engine.records import Owner
from hereabouts.errors import HereaboutsError, JournalUnavailable
from hereabouts.gateway.door import Door
from hereabouts.gateway.http import build_apps
from hereabouts.gateway.server import Server
from hereabouts.journal.opening import open_journal
from hereabouts.node import Node
from hereabouts.runtime.census import Census
from hereabouts.runtime.clock import Clock
from hereabouts.runtime.leaving import Leaving
from hereabouts.settings import Settings
from hereabouts.telemetry import log_to_stderr

log = structlog.get_logger("hereabouts")


class Serving:
    """A node, and what stands between it and the world. Raises `ConfigError` for settings that cannot be served."""

    def __init__(self, settings: Settings, *, is_dev: bool = False) -> None:
        for warning in refuse_faulty(settings, is_dev=is_dev):
            log.warning("settings", text=warning)
        self.settings = settings
        clock = Clock()
        auth = auth_config(settings, is_dev=is_dev)
        owner = Owner(settings.node_name, clock.now().at)
        book = settings.book()
        self.node = Node(
            policies=book,
            limits=settings.engine_limits(),
            backend=open_backend(settings.backend.url, owner, settings.backend.prefix, book.node.lease_seconds),
            journal=open_journal(
                settings.journal.url,
                node=owner.node,
                is_alone=settings.backend.url == MEMORY,
                flush_seconds=settings.journal.flush_seconds,
            ),
            verifier=_verifier(settings, clock, is_dev),
            owner=owner,
            endpoints=endpoints(settings),
            clock=clock,
            resolver=_resolver(settings, clock),
        )
        node = self.node
        node.ready_needs_store = settings.server.ready_needs_store
        self.leaving = Leaving(node.context, node.driver, node.registry, node.relay, node.entrance)
        self._neighbours = node.neighbours(self.leaving)
        self._census = Census(node.context, settings.journal.keep_days)
        self.door = Door(
            node.context,
            node.driver,
            allowed_origins=origins(settings),
            trusted_proxies=settings.server.trusted_proxies,
            loopback_hosts_only=is_dev,
            region_header=settings.server.region_header,
            keeps_origins=settings.journal.origins,
        )
        self.app, self.internal_app = build_apps(
            node,
            self.door,
            keys=key_ring(settings),
            minter=minter(auth, clock.wall) if has_keys(settings) or auth.signing_key_file else None,
            admin_roles=auth.admin_roles,
            is_dev=is_dev,
            console_at=settings.server.console,
        )

    async def open(self) -> None:
        """Open the node, bring back what an earlier process left, and say so where that is not certain."""
        await self.node.open()
        await self._neighbours.open()
        taken = await self.leaving.take_over()
        lost = await self.node.context.journal.recover(
            self.node.context.owner.node,
            self.node.context.now().at,
            [owned.session.session_id for owned in self.node.registry],
        )
        await self.node.holdings.recall()
        if lost:
            policy = self.node.context.policies.resolve()
            self.leaving.degrade_for(max(policy.grace_seconds, policy.beat_visible_seconds))
        self.node.webhooks.settling.doubt()
        self._census.start()
        self.node.canary.start()
        self.node.is_open = True
        log.info("open", node=self.node.context.owner.node, taken_over=taken, ended_without_word=lost)

    async def reread(self, read: Callable[[], Settings]) -> None:
        """The policy of the file, as it is now. What cannot be in force is told in the log, and the old one stays."""
        try:
            settings = await asyncio.to_thread(read)
            await self.node.governing.reread(settings.policy)
        except HereaboutsError as error:
            log.error("policy", text=f"the configuration was read again and not taken: {error}")
            return
        if settings.model_dump(exclude={"policy"}) != self.settings.model_dump(exclude={"policy"}):
            log.warning("settings", text="only the policy is read again while the server runs; restart for the rest")

    async def drain(self, hurry: asyncio.Event) -> None:
        """Ask the clients to move, over the drain time or until `hurry` is set."""
        seconds = self.settings.server.drain_seconds
        log.info("drain", connections=len(self.node.driver.links), seconds=seconds)
        tasks = [asyncio.create_task(self.leaving.drain(seconds)), asyncio.create_task(hurry.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    async def close(self) -> None:
        """Leave the sessions to the next process, write what waits, let go."""
        await self.node.canary.stop()
        await self._neighbours.close()
        try:
            handed = await self.leaving.hand_over()
        except JournalUnavailable as error:
            # They are ended as after a crash; what else waits may still be written.
            self.node.context.failed(error)
            handed = 0
        await self._census.stop()
        await self.node.close()
        log.info("closed", handed_over=handed)


def _verifier(settings: Settings, clock: Clock, is_dev: bool) -> Verifier:
    config = auth_config(settings, is_dev=is_dev)
    if not is_dev:
        return jwt_verifier(config, clock.wall)
    return DevVerifier(clock.wall, jwt_verifier(config, clock.wall) if has_keys(settings) else None)


def _resolver(settings: Settings, clock: Clock) -> Resolver | None:
    auth = settings.auth
    if auth.resolver_url is None:
        return None
    return Resolver(
        auth.resolver_url,
        timeout_seconds=auth.resolver_timeout_seconds,
        cache_seconds=auth.resolver_cache_seconds,
        secret=auth.resolver_secret,
        tick=clock.tick,
    )


def run(settings: Settings, *, is_dev: bool = False, read: Callable[[], Settings] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; a second one cuts the drain short. Raises `ConfigError`.

    `read` reads the settings again, as they are now: SIGHUP takes their policy.
    """
    log_to_stderr(settings.log.level, "text" if is_dev else settings.log.format)
    _allow_connections()
    _calm_collector()
    uvloop.run(_serve(settings, is_dev, read))


def _allow_connections() -> None:
    """Each connection is an open file; take as many as the system gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _calm_collector() -> None:
    """Keep the cycle collector from stopping the loop: a full pass over a thousand sessions takes 50 ms and more.

    What goes is freed by its count, as our parts hold no cycles; passes over what is young find the libraries'. A full
    pass comes only after ten million more objects than at the last one, so that a leak would still not be for ever.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 4, 500)


async def _serve(settings: Settings, is_dev: bool, read: Callable[[], Settings] | None) -> None:
    service = Serving(settings, is_dev=is_dev)
    listeners = _listeners(service)
    for listener in listeners:
        listener.bind()
    asked, hurry = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _stop, asked, hurry)
    await service.open()
    if read is not None:
        _reread_on_hangup(service, read)
    try:
        for listener in listeners:
            await listener.start()
        _announce(listeners, is_dev)
        await asked.wait()
        await service.drain(hurry)
    finally:
        for listener in listeners:
            await listener.stop()
        await service.close()


def _reread_on_hangup(service: Serving, read: Callable[[], Settings]) -> None:
    asked: set[asyncio.Task[None]] = set()

    def reread() -> None:
        task = asyncio.get_running_loop().create_task(service.reread(read))
        asked.add(task)
        task.add_done_callback(asked.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reread)


def _listeners(service: Serving) -> list[Server]:
    server = service.settings.server
    listeners = [Server(service.app, service.door, server.host, server.port)]
    if server.internal_port is not None:
        listeners.append(Server(service.internal_app, None, server.internal_host, server.internal_port))
    return listeners


def _stop(asked: asyncio.Event, hurry: asyncio.Event) -> None:
    if asked.is_set():
        hurry.set()
    asked.set()


def _announce(listeners: list[Server], is_dev: bool) -> None:
    urls = dict(zip(("url", "internal_url"), (listener.url for listener in listeners), strict=False))
    log.info("serving", **urls, pid=os.getpid())
    base = urls["url"]
    if is_dev:
        print(
            f"\n  The demo page, as two people:\n\n    {base}/?user=ada&room=lobby\n    {base}/?user=bob&room=lobby\n\n"
            f"  The console, where dev:eve:admin signs in:\n\n    {base}/console\n",
            flush=True,
        )
