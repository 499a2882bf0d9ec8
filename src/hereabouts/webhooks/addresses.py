"""Which addresses may be called: none of a private network, whatever name leads there.

The name is resolved once and the connection goes to the address that was judged, so that a name server that changes
its answer in between changes nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from hereabouts.errors import HereaboutsError

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host and port, as text. Raises `OSError`."""


class AddressRefused(HereaboutsError):
    """A name that leads where no webhook may go, or nowhere."""


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver, in a thread."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def judged(host: str, port: int, resolve: Resolve, *, allow_private: bool) -> str:
    """An address of the host that may be called. Raises `AddressRefused` when one of them may not."""
    try:
        found = await resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"{host} cannot be resolved: {error}") from None
    if not found:
        raise AddressRefused(f"{host} has no address")
    if not allow_private:
        for text in found:
            if not is_public(text):
                raise AddressRefused(f"{host} is {text}, which is not public; allow_private = true lets it be called")
    return found[0]


def is_public(text: str) -> bool:
    """Whether an address is anybody's on the Internet: what is not surely so is not."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        # The well-known prefix of translators (RFC 6052) and old forms lead to an IPv4 address too.
        if inner is None and (
            address.packed[:12] == bytes.fromhex("0064ff9b") + bytes(8) or not any(address.packed[:12])
        ):
            inner = IPv4Address(address.packed[12:])
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast
