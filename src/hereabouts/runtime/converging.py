"""What a node was not told, because it was cut off for long or because who would have told it died.

Nodes that share a journal read there again what is in force: what was revoked and cooled down, and the policy. It is
few rows, once a minute and whenever the store was out of reach; then those who look at users are judged again too.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from hereabouts.journal.cooldowns import Cooldown
from hereabouts.journal.revocations import Revocation
from hereabouts.runtime.context import Context
from hereabouts.runtime.ending import End, Ended, Endings
from hereabouts.runtime.governing import Governing
from hereabouts.runtime.onlookers import Onlookers
from hereabouts.tasks import end

AGAIN_SECONDS: Final = 60.0
"""How often it is read again."""

RETRY_SECONDS: Final = 5.0
"""How soon, where it could not be read."""


class Converging:
    """Reads again, and does what was not done here. Where no other node writes the journal it does nothing."""

    def __init__(self, context: Context, governing: Governing, endings: Endings, onlookers: Onlookers) -> None:
        self._context = context
        self._governing = governing
        self._endings = endings
        self._onlookers = onlookers
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Read again from now on."""
        if self._context.journal.is_shared:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Read no more."""
        if self._task is not None:
            await end([self._task])

    def soon(self) -> None:
        """This node may have missed anything: read at once, and judge who looks at whom."""
        self._asked.set()

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS):
                    await self._asked.wait()
            was_cut_off = self._asked.is_set()
            self._asked.clear()
            try:
                await self._converge(was_cut_off)
            except Exception as error:  # whatever it is, it is read again
                self._context.failed(error)
                await asyncio.sleep(RETRY_SECONDS)
                if was_cut_off:
                    self.soon()

    async def _converge(self, was_cut_off: bool) -> None:
        await self._governing.look_again()
        for standing in await self._context.journal.look_again():
            await self._endings.do(end_of(standing))
        if was_cut_off:
            await self._onlookers.judge_all()


def end_of(standing: Revocation | Cooldown) -> End:
    """What an admin said somewhere, so that this now stands in the journal. It is not to be written there again."""
    if isinstance(standing, Revocation):
        what: Ended = "user_tokens" if standing.kind == "user" else "token"
        return End(what, standing.tenant, standing.id, "", standing.at)
    id, _, user_id = standing.id.partition("\n")  # see member_id
    # A session's alone is written: for as long as its token is good, which only its own node knows.
    until_at = standing.until_at if standing.kind == "session" else None
    return End(standing.kind, standing.tenant, id, standing.reason or "", standing.at, until_at, user_id)
