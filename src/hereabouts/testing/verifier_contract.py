"""What every `Verifier` does, whatever its tokens look like.

Subclass `VerifierContract` in a test module and give its three methods.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from random import Random
from string import ascii_letters, digits, punctuation

import pytest

from hereabouts.auth.tokens import Verifier
from hereabouts.engine.identity import Identity
from hereabouts.errors import Refusal

REFUSALS = frozenset({"unauthenticated", "token_expired"})

NO_TOKENS = (
    "", " ", ".", "..", "...", "a.b.c", "e30.e30.", "e30.e30.e30", "=.=.=", "Bearer x", "null", "{}", "hk_abc",
    "dev", "dev:", "dev::", "dev::admin", "dev:a:", "dev:a b", "dev:a:b:c", "DEV:ada", " dev:ada", "dev:ada\n",
    "\x00", "\ud800", "é.é.é", "日本", "a" * 5_000_000, "dev:" + "a" * 5_000_000, "." * 100_000, ":" * 100_000,
)  # fmt: skip
"""What no verifier takes for a token, in the forms that have hurt readers of tokens."""


class VerifierContract(ABC):
    """The suite; its subclasses are collected when they are named `Test…`."""

    @abstractmethod
    def verifier(self) -> Verifier:
        """A new one, not opened yet."""

    @abstractmethod
    def token(self, user_id: str, role: str | None = None) -> str:
        """A good token for the user, in the tenant `default`."""

    @abstractmethod
    def forged(self) -> Iterable[str]:
        """Tokens that come near to good ones."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Verifier]:
        """The verifier while it is in use."""
        verifier = self.verifier()
        await verifier.open()
        try:
            yield verifier
        finally:
            await verifier.close()

    async def test_a_good_token_names_its_user(self) -> None:
        async with self.opened() as verifier:
            identity = await verifier.verify(self.token("ada", "admin"))
            assert (identity.tenant, identity.user_id, identity.role) == ("default", "ada", "admin")
            assert (await verifier.verify(self.token("日本"))).user_id == "日本"
            assert (await verifier.verify(self.token("ada"))).role is None

    async def test_a_good_token_is_good_again_and_at_once_for_many(self) -> None:
        token = self.token("ada")
        async with self.opened() as verifier:
            first = await verifier.verify(token)
            assert [first] * 50 == list(await asyncio.gather(*(verifier.verify(token) for _ in range(50))))

    async def test_a_good_token_waits_for_nothing(self) -> None:
        async with self.opened() as verifier:
            verifying = verifier.verify(self.token("ada"))
            with pytest.raises(StopIteration):
                verifying.send(None)

    async def test_what_is_no_token_is_refused(self) -> None:
        async with self.opened() as verifier:
            for text in NO_TOKENS:
                assert await refused(verifier, text) == "unauthenticated", text[:80]

    async def test_forged_tokens_are_refused(self) -> None:
        async with self.opened() as verifier:
            for text in self.forged():
                assert await refused(verifier, text) in REFUSALS, text[:200]

    async def test_a_damaged_token_is_another_token_or_none(self) -> None:
        random = Random(20)
        good = self.token("ada", "admin")
        async with self.opened() as verifier:
            for _ in range(2000):
                await taken_or_refused(verifier, _damaged(good, random))

    async def test_a_refusal_does_not_repeat_the_token(self) -> None:
        async with self.opened() as verifier:
            for text in self.forged():
                with pytest.raises(Refusal) as caught:
                    await verifier.verify(text)
                assert text not in caught.value.message

    async def test_it_is_well_while_it_is_open(self) -> None:
        async with self.opened() as verifier:
            assert verifier.health().is_ok
            assert verifier.health().problem is None

    async def test_closing_twice_is_harmless(self) -> None:
        async with self.opened() as verifier:
            await verifier.close()


async def refused(verifier: Verifier, token: str) -> str:
    """The code with which the token is refused."""
    with pytest.raises(Refusal) as caught:
        await verifier.verify(token)
    return caught.value.code


async def taken_or_refused(verifier: Verifier, token: str) -> Identity | None:
    """The identity, if the token is good; anything raised but a proper `Refusal` fails."""
    try:
        return await verifier.verify(token)
    except Refusal as refusal:
        assert refusal.code in REFUSALS
        return None


def _damaged(token: str, random: Random) -> str:
    place = random.randrange(len(token))
    until = min(len(token), place + random.choice((0, 1, 1, 2, 40)))
    letters = ascii_letters + digits + punctuation + "\x00é\ud800"
    return token[:place] + "".join(random.choices(letters, k=random.choice((0, 1, 1, 2)))) + token[until:]
