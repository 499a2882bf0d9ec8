"""Presence from a program: who is in a room, as it changes.

    python -m hereabouts dev
    python examples/python_client.py http://127.0.0.1:8765 dev:ada lobby

Open the demo page in the same room, or run it a second time as `dev:bob`. Ctrl-C leaves.
"""

from __future__ import annotations

import asyncio
import sys

from hereabouts.client import AsyncPresence, CountChanged, Joined, Left, RoomEvent, Synced, TypingChanged, Updated


def told(event: RoomEvent) -> str:
    """A line about what happened."""
    match event:
        case Joined(member):
            return f"{member.name or member.user_id} is here ({member.status})"
        case Updated(member):
            return f"{member.name or member.user_id} is {member.status}, with {member.state}"
        case Left(user_id, cause):
            return f"{user_id} is gone ({cause or 'nobody knows why'})"
        case TypingChanged(user_ids):
            return f"typing: {', '.join(user_ids) or 'nobody'}"
        case CountChanged(count):
            return f"{count} in the room"
        case Synced():
            return "look at the members anew"


async def follow(url: str, token: str, room_name: str) -> None:
    """Be in a room, and print what happens there."""
    async with (
        AsyncPresence(url, token, platform="example") as presence,
        presence.room(room_name, state={"from": "the example"}) as room,
    ):
        print("here:", ", ".join(member.user_id for member in room.members), flush=True)
        async for event in room.events():
            print(told(event), flush=True)


def main() -> None:
    """Run until Ctrl-C."""
    if len(sys.argv) != 4:
        raise SystemExit(f"usage: {sys.argv[0]} URL TOKEN ROOM, as in: http://127.0.0.1:8765 dev:ada lobby")
    try:
        asyncio.run(follow(*sys.argv[1:]))
    except KeyboardInterrupt:
        print("left")


if __name__ == "__main__":
    main()
