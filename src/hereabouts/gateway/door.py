"""What every WebSocket door does alike: who may come in, and what a link is told of the transport."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from hereabouts.fanout.outbox import Connection
from hereabouts.protocol.codes import SUBPROTOCOL
from hereabouts.runtime.context import Context
from hereabouts.runtime.driver import Driver
from hereabouts.runtime.link import Link

WS_PATH = "/v1/ws"

REGION_CHARACTERS = 64
"""The longest name of a region that is taken from a header."""

AGENT_CHARACTERS = 300
"""What is kept of a User-Agent header."""


class Turned(NamedTuple):
    """A request that is not let in: the HTTP status, the code, the text, and when to try again."""

    status: int
    code: str
    message: str
    retry_after_seconds: int | None = None


class Door:
    """Judges upgrade requests, and hands connections to the driver."""

    def __init__(
        self,
        context: Context,
        driver: Driver,
        *,
        allowed_origins: frozenset[str],
        trusted_proxies: tuple[str, ...] = (),
        loopback_hosts_only: bool = False,
        region_header: str | None = None,
        keeps_origins: bool = False,
    ) -> None:
        self.context = context
        self.driver = driver
        self._allowed_origins = allowed_origins
        self._trusted = tuple(ip_network(proxy, strict=False) for proxy in trusted_proxies)
        self._loopback_hosts_only = loopback_hosts_only
        self._keeps_origins = keeps_origins
        self._region_header = None if region_header is None else region_header.lower()

    def judge(self, headers: Mapping[str, str], address: str) -> Turned | None:
        """Why an upgrade request is turned away, or `None`. Header names are in lower case."""
        if self.driver.is_draining:
            return Turned(503, "degraded", "this node is draining", 1)
        if self._loopback_hosts_only and not is_loopback_host(headers.get("host", "")):
            return Turned(403, "forbidden", "in dev only the hosts localhost, 127.0.0.1 and [::1] are served")
        origin = headers.get("origin")
        if origin is not None and not self.allows_origin(origin):
            return Turned(403, "forbidden", f"the origin {origin[:200]!r} is not in server.allowed_origins")
        offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
        if SUBPROTOCOL not in offered:
            return Turned(400, "unsupported", f"the subprotocol {SUBPROTOCOL} was not offered")
        limit = self.context.limits.unauthenticated_per_address
        if self.driver.unauthenticated(address) >= limit:
            return Turned(503, "limit_exceeded", f"{limit} connections of this address have not said hello", 5)
        return None

    def allows_origin(self, origin: str) -> bool:
        """Whether a page of this origin may use the server: exact, but for the case of scheme and host."""
        return origin.lower() in self._allowed_origins or (self._loopback_hosts_only and is_loopback_origin(origin))

    def address(self, peer: str, forwarded_for: str | None) -> str:
        """The address that limits count by: the last hop that no trusted proxy vouches for."""
        if not self._trusted or forwarded_for is None:
            return peer
        for hop in (peer, *reversed([part.strip() for part in forwarded_for.split(",")])):
            found = hop
            try:
                if not any(ip_address(hop) in network for network in self._trusted):
                    break
            except ValueError:
                return peer
        return found

    def enter(self, connection: Connection, headers: Mapping[str, str], address: str) -> Link:
        """A connection that was let in. The token of its upgrade request, if any, serves for the hello."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        link = self.driver.connected(connection, address, token.strip() if scheme.lower() == "bearer" else None)
        link.region = self.region(headers)
        link.origin = self.origin(headers, address)
        return link

    def origin(self, headers: Mapping[str, str], address: str) -> tuple[str, str] | None:
        """The address and the program that a session is reached from; `None` where the settings do not ask for them."""
        if not self._keeps_origins:
            return None
        agent = "".join(c for c in headers.get("user-agent", "")[:AGENT_CHARACTERS] if c.isprintable())
        return address, agent

    def region(self, headers: Mapping[str, str]) -> str | None:
        """The region that a proxy put into the header which the settings name; what is no name of one is left out."""
        region = headers.get(self._region_header, "").strip() if self._region_header is not None else ""
        return region if region.isprintable() and 0 < len(region) <= REGION_CHARACTERS else None


def is_loopback_host(host: str) -> bool:
    """Whether a Host header names this machine."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return name.lower() in ("localhost", "127.0.0.1", "[::1]")


def is_loopback_origin(origin: str) -> bool:
    """Whether an Origin header names a page of this machine."""
    scheme, _, host = origin.partition("://")
    return scheme in ("http", "https") and is_loopback_host(host)
