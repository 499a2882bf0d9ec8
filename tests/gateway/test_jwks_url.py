"""The keys from a URL over a real socket: what httpx really does with good, slow, endless and compressed answers."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hereabouts.auth.config import AuthConfig
from hereabouts.auth.tokens import JwtVerifier, jwt_verifier
from hereabouts.errors import Refusal
from hereabouts.testing.issuer import Issuer, jwks

NOW = 1_800_000_000
ISSUER = Issuer("EdDSA")
TOKEN = ISSUER.sign({"sub": "ada", "exp": NOW + 60, "iss": "idp", "aud": "here"})
OK = b"HTTP/1.1 200 OK\r\n"


def whole(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join((OK.strip(), *headers, b"Content-Length: %d" % len(body), b"", body))


@asynccontextmanager
async def verifier_with(answer: bytes, *, repeat: bytes = b"") -> AsyncIterator[JwtVerifier]:
    """A verifier whose URL gives `answer`, then `repeat` for as long as somebody reads."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            while repeat:
                writer.write(repeat)
                await writer.drain()
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = AuthConfig(algorithms=("EdDSA",), jwks_url=f"http://127.0.0.1:{port}/keys", issuer="idp", audience="here")
    verifier = jwt_verifier(config, lambda: float(NOW))
    try:
        async with asyncio.timeout(10):
            await verifier.open()
            yield verifier
    finally:
        await verifier.close()
        server.close()
        await server.wait_closed()


async def problem(answer: bytes, repeat: bytes = b"") -> str:
    async with verifier_with(answer, repeat=repeat) as verifier:
        with pytest.raises(Refusal):
            await verifier.verify(TOKEN)
        return str(verifier.health().problem)


async def test_keys_are_fetched() -> None:
    async with verifier_with(whole(jwks(ISSUER.public_jwk()))) as verifier:
        assert (await verifier.verify(TOKEN)).user_id == "ada"
        assert verifier.health().is_ok


async def test_an_endless_answer_is_cut_off() -> None:
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    assert "over 262144 bytes" in await problem(head, repeat=b"1000\r\n" + b" " * 4096 + b"\r\n")


async def test_a_compressed_answer_is_not_blown_up() -> None:
    body = gzip.compress(b" " * 50_000_000)
    assert "not UTF-8" in await problem(whole(body, b"Content-Encoding: gzip"))


async def test_a_slow_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hereabouts.auth.jwks.FETCH_SECONDS", 0.2)
    assert "within 0.2 s" in await problem(OK + b"Content-Length: 100\r\n\r\n{")


async def test_a_broken_answer_is_a_problem_and_no_fault() -> None:
    for answer in (b"nonsense\r\n\r\n", OK + b"Content-Length: x\r\n\r\n", whole(b"[]")):
        assert await problem(answer) not in ("", "None")
