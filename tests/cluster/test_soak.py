"""A short run of what `python -m bench soak` does for minutes: guests, mishaps, agreement, nobody left at any node."""

from __future__ import annotations

from pathlib import Path
from random import Random

import httpx

from hereabouts.testing.mishaps import node_killed, valkey_flushed
from hereabouts.testing.soaking import Soak, at_nodes, site

SEED = 7
TABS = 12


async def test_after_two_mishaps_all_agree_and_at_the_end_nobody_is_left(tmp_path: Path) -> None:
    async with site(tmp_path, Random(SEED)) as place, httpx.AsyncClient(trust_env=False, timeout=5) as http:
        soak = Soak(place, http, TABS)
        soak.begin()
        await soak.round([node_killed, valkey_flushed], seconds=1)
        await soak.end(at_nodes)
        assert soak.broken_rules() == []
