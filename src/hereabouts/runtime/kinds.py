"""Kinds of resources as somebody looks at them: watched by sockets and event streams, and read once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hereabouts.engine.identity import Identity
from hereabouts.engine.visibility import view_of
from hereabouts.errors import Refusal
from hereabouts.fanout.kind_stream import KindStream
from hereabouts.fanout.viewer import KindViewing, Viewer
from hereabouts.protocol.codec import check_id
from hereabouts.protocol.codes import View
from hereabouts.protocol.messages import Holding
from hereabouts.runtime.context import Context
from hereabouts.runtime.holdings import Holdings


class KindRead(NamedTuple):
    """A kind at one position of what the caller's view shows of it."""

    epoch: str
    seq: int
    view: View
    held: list[Holding]


class Kinds:
    """Puts viewers onto kinds and takes them off. Raises `Refusal`."""

    def __init__(self, context: Context, holdings: Holdings) -> None:
        self._context = context
        self._holdings = holdings
        self._picture = holdings.picture

    def check(self, identity: Identity, kinds: Iterable[str]) -> list[str]:
        """The kinds, each once, if they may be looked at."""
        found = list(dict.fromkeys(kinds))
        for kind in found:
            check_id(kind, "kind", id_bytes=self._context.limits.id_bytes)
            if ":" in kind:
                raise Refusal("bad_request", f"{kind[:200]!r} is no kind: a kind is what stands before the first colon")
            self._judge(identity, kind)
        if found:
            _ = self._holdings.kept
        most = self._context.limits.rooms_per_session
        if len(found) > most:
            raise Refusal("limit_exceeded", f"a session looks at no more than {most} kinds", limit="rooms_per_session")
        return found

    def _judge(self, identity: Identity, kind: str) -> View:
        policy = self._context.policy(identity.tenant, identity.role, resource=kind)
        view = view_of(identity, policy, "occupancy")
        if view == "none" and policy.on_none == "forbid":
            raise Refusal("forbidden", f"the policy lets this role see nothing of the kind {kind!r}")
        return view

    def watch(self, viewer: Viewer, kinds: Iterable[str]) -> None:
        """Send what is held of these, and from now on what changes."""
        identity = viewer.identity
        for kind in kinds:
            viewing = viewer.kinds.setdefault(kind, KindViewing(viewer, kind))
            self._picture.fan(identity.tenant, kind).attach(viewing, self._judge(identity, kind))

    def unwatch(self, viewer: Viewer, kinds: Iterable[str]) -> None:
        """Look at these no more."""
        tenant = viewer.identity.tenant
        for kind in kinds:
            viewing = viewer.kinds.pop(kind, None)
            if viewing is not None:
                self._picture.fan(tenant, kind).detach(viewing)
                self._picture.let_go(tenant, kind)

    def judge_again(self, viewer: Viewer) -> None:
        """The viewer's identity changed: what looks different now is sent anew."""
        for kind, viewing in tuple(viewer.kinds.items()):
            try:
                view = self._judge(viewer.identity, kind)
            except Refusal:
                self.unwatch(viewer, [kind])
                continue
            if viewing.stream is None or viewing.stream.view != view:
                self.watch(viewer, [kind])

    def catch_up(self, viewer: Viewer) -> None:
        """The viewer's connection drained."""
        for kind, viewing in viewer.kinds.items():
            self._picture.fan(viewer.identity.tenant, kind).catch_up(viewing)

    def read(self, identity: Identity, kind: str) -> KindRead:
        """Who holds what of a kind now. Where nobody of the view looks on this node the position is one of its own."""
        self.check(identity, [kind])
        view = self._judge(identity, kind)
        fan = self._picture.fan(identity.tenant, kind)
        stream: KindStream = fan.stream(view)
        held = stream.listed(identity.user_id)
        self._picture.let_go(identity.tenant, kind)
        return KindRead(stream.epoch, stream.seq, view, held)
