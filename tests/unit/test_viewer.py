"""Who looks, before it was shown anything."""

from __future__ import annotations

from hereabouts.engine.identity import Identity
from hereabouts.fanout.outbox import Packet
from hereabouts.fanout.viewer import Viewer, Viewing


class Nowhere:
    is_paused = False

    def send(self, packet: Packet) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


def test_a_viewing_begins_on_no_stream_and_shows_nothing() -> None:
    viewing = Viewing(Viewer(Nowhere(), Identity("default", "ada")), "lobby")
    assert (viewing.stream, viewing.sent, viewing.shows_own, viewing.shows_typing) == (None, 0, False, False)
    assert (viewing.is_member, viewing.watch_mode) == (False, None)


def test_a_viewing_has_the_eyes_of_whoever_the_viewer_is_now() -> None:
    viewer = Viewer(Nowhere(), Identity("default", "ada"))
    viewing = Viewing(viewer, "lobby")
    assert viewing.user_id == "ada"
    viewer.identity = Identity("default", "ada", role="admin")
    assert viewing.viewer.identity.role == "admin"
