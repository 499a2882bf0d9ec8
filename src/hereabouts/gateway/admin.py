"""Every call of admins, put together."""

from __future__ import annotations

from typing import Any, Final

from hereabouts.gateway.admin_acts import ADMIN_ACTS, AdminActs
from hereabouts.gateway.admin_audit import ADMIN_AUDITS, AdminAudit
from hereabouts.gateway.admin_health import ADMIN_HEALTHS, health_calls
from hereabouts.gateway.admin_policy import ADMIN_POLICIES, AdminPolicy
from hereabouts.gateway.admin_reads import ADMIN_READS, AdminReads
from hereabouts.gateway.door import Door
from hereabouts.gateway.explain import EXPLAINS, explain_calls
from hereabouts.gateway.parts import Parts
from hereabouts.routes import Bound, Call
from hereabouts.runtime.afar import Afar
from hereabouts.runtime.explaining import Explaining
from hereabouts.runtime.overview import Overview
from hereabouts.runtime.reading import Reading

ADMIN: Final[tuple[Call[Any, Any], ...]] = (
    *EXPLAINS,
    *ADMIN_READS,
    *ADMIN_HEALTHS,
    *ADMIN_ACTS,
    *ADMIN_POLICIES,
    *ADMIN_AUDITS,
)


def admin_calls(node: Parts, door: Door, reading: Reading) -> list[Bound]:
    """What admins read and do."""
    context = node.context
    overview = Overview(context, node.registry, node.relay, node.driver, node.fleet)
    explaining = Explaining(context, node.registry, node.people, overview, reading, node.relations, node.switchboard)
    return [
        *explain_calls(explaining),
        *AdminReads(context, overview, Afar(context, overview, node.people, node.relay), node.fleet).calls(),
        *health_calls(node, overview),
        *AdminActs(context, door, node.acts).calls(),
        *AdminPolicy(context, door, node.governing).calls(),
        *AdminAudit(context).calls(),
    ]
