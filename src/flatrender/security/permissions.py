"""What staff may do: named permissions, and which of them a tenant's moderators hold.

The list is closed and in code: a context defines its own beside its guards. An administrator holds
all, a customer none; what moderators hold is the default here with the tenant's changes over it.
The changes are remembered by every process under a stamp that the gate reads with each call of
staff, so a change counts from the next call on and costs no query otherwise.
"""

import re
from collections.abc import Mapping
from uuid import UUID

import structlog
from msgspec import Struct
from msgspec.structs import replace

from flatrender.clock import Clock
from flatrender.errors import Unavailable
from flatrender.security.gate import GateAnswer
from flatrender.security.ports import RoleLedger
from flatrender.security.principal import Principal

log = structlog.get_logger(__name__)

_NAME = re.compile(r"[a-z_]+(\.[a-z_]+)+\Z")
#: A change that Valkey lost is noticed after this long at the latest.
_SECONDS = 60.0
_TENANTS = 2_048


class Permission(Struct, frozen=True):
    """One thing that staff may do. ``moderators``: whether they may where a tenant says nothing."""

    name: str
    fa: str
    en: str
    moderators: bool


_DEFINED: dict[str, Permission] = {}


def define_permission(name: str, *, fa: str, en: str, moderators: bool = False) -> Permission:
    """Add a context's own permission at import time; the same definition twice is one.

    Raises ``ValueError`` for a name that is none or means something else already.
    """
    made = Permission(name, fa, en, moderators)
    if not _NAME.match(name) or _DEFINED.get(name, made) != made:
        raise ValueError(f"the permission {name!r} cannot be defined")
    return _DEFINED.setdefault(name, made)


def all_permissions() -> list[Permission]:
    """Return what the contexts of this process have defined, by name."""
    return [_DEFINED[name] for name in sorted(_DEFINED)]


def held_by_moderators(changes: Mapping[str, bool]) -> frozenset[str]:
    """Return what moderators may, given a tenant's ``changes``; unknown names give nothing."""
    return frozenset(
        name for name, known in _DEFINED.items() if changes.get(name, known.moderators)
    )


class PermissionBook:
    """What each tenant's moderators may, remembered. One instance per process."""

    def __init__(self, ledger: RoleLedger | None, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._known: dict[UUID, tuple[str, float, frozenset[str]]] = {}

    async def fill(self, principal: Principal, answer: GateAnswer) -> Principal:
        """Return the principal with what a moderator may; others need no list.

        Raises :class:`Unavailable` when it is not known and PostgreSQL cannot be asked.
        """
        if not (principal.kind == "user" and principal.role == "moderator"):
            return principal
        held = await self._held(principal.tenant_id, answer)
        return replace(principal, permissions=held)

    async def _held(self, tenant_id: UUID, answer: GateAnswer) -> frozenset[str]:
        if self._ledger is None:
            return held_by_moderators({})
        now = self._clock.monotonic()
        known = self._known.get(tenant_id)
        if known and not answer.degraded and known[0] == answer.stamp and now < known[1]:
            return known[2]
        try:
            # After the stamp was read: a change that is not seen here changes the stamp later.
            held = held_by_moderators(await self._ledger.role_changes(tenant_id, "moderator"))
        except Exception as error:  # whatever keeps the ledger from answering
            log.error("role_ledger_failed", error=repr(error))
            raise Unavailable(headers={"Retry-After": "5"}) from error
        if not answer.degraded:
            if len(self._known) >= _TENANTS:
                self._known.clear()
            self._known[tenant_id] = (answer.stamp, now + _SECONDS, held)
        return held
