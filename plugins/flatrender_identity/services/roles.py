"""What a tenant's roles may do: read, change, and answered to the kernel.

Only moderators' permissions can be changed: administrators hold all, customers none. Stored is
where the tenant differs from the code, so a later default reaches tenants that said nothing.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct

from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.permissions import all_permissions, held_by_moderators
from flatrender.security.principal import Principal, Role
from flatrender_identity.errors import RoleFixed
from flatrender_identity.permissions import SUPPORT_ACT
from flatrender_identity.services.audit import audit

_CHANGES = """
SELECT permission, allowed FROM identity.role_permissions WHERE tenant_id = $1 AND role = $2
"""
#: Two administrators who change a role at once take turns.
_LOCK = "SELECT id FROM identity.tenants WHERE id = :tenant FOR UPDATE"
_CHANGES_IN = """
SELECT permission, allowed FROM identity.role_permissions
WHERE tenant_id = :tenant AND role = :role
"""
_CLEAR = """
DELETE FROM identity.role_permissions
WHERE tenant_id = :tenant AND role = :role AND permission = ANY (CAST(:known AS text[]))
"""
_STORE = """
INSERT INTO identity.role_permissions (tenant_id, role, permission, allowed, updated_by)
SELECT :tenant, :role, permission, permission = ANY (CAST(:held AS text[])), :actor
FROM unnest(CAST(:differ AS text[])) AS permission
"""
#: Moderators' sessions in customers' accounts; those of administrators stay.
_END_SUPPORT = """
UPDATE identity.sessions s SET revoked_at = now(), revoked_reason = 'support may act no longer'
FROM identity.users a
WHERE s.tenant_id = :tenant AND a.tenant_id = s.tenant_id AND a.id = s.impersonator_id
  AND a.role = :role AND s.revoked_at IS NULL
RETURNING s.id
"""
ROLES: tuple[Role, ...] = ("user", "moderator", "admin")


class PermissionLine(Struct, frozen=True, kw_only=True):
    """One permission of a role. ``default``: what holds where the tenant says nothing."""

    name: str
    description_fa: str
    description_en: str
    allowed: bool
    default: bool


class RoleView(Struct, frozen=True, kw_only=True):
    """A role and what it may do; ``editable``: whether that can be changed."""

    role: Role
    editable: bool
    permissions: list[PermissionLine]


class RoleService:
    """Implements :class:`flatrender.security.ports.RoleLedger` and the use cases of roles."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._gate = context.infra.security.gate

    async def role_changes(self, tenant_id: UUID, role: Role) -> dict[str, bool]:
        """Return where the tenant differs from the code, from the database that is written to."""
        rows = await self._db.system_fetch("what a role may do", _CHANGES, tenant_id, role)
        return {row["permission"]: row["allowed"] for row in rows}

    async def page(self, tenant_id: UUID, page: PageParams) -> Page[RoleView]:
        """Return the roles of a tenant."""
        views = [await self.of(tenant_id, role) for role in ROLES]
        return page.of(views[page.offset : page.offset + page.limit], len(views))

    async def of(self, tenant_id: UUID, role: str) -> RoleView:
        """Return what a role may do. Raises ``NotFound`` for what is no role."""
        named: Role | None = next((known for known in ROLES if known == role), None)
        if named is None:
            raise NotFound()
        if named != "moderator":
            return _view(named, None)
        return _view(named, held_by_moderators(await self.role_changes(tenant_id, named)))

    async def change(
        self, principal: Principal, role: str, held: Sequence[str], *, reason: str
    ) -> RoleView:
        """Give a role exactly the permissions ``held``; in force from everybody's next call. Who
        may no longer act as support is out of customers' accounts.

        Raises ``NotFound``, :class:`RoleFixed`, ``Invalid`` for a permission that is none.
        """
        if role not in ROLES:
            raise NotFound()
        if role != "moderator":
            raise RoleFixed()
        known = {one.name: one for one in all_permissions()}
        errors = [_unknown(n) for n, name in enumerate(held) if name not in known]
        if errors:
            raise Invalid(errors=errors)
        chosen = frozenset(held)
        async with self._db.unit_of_work(principal.tenant_id) as work:
            scope: dict[str, Any] = {"tenant": principal.tenant_id, "role": role}
            await work.execute(_LOCK, tenant=principal.tenant_id)
            rows = await work.execute(_CHANGES_IN, **scope)
            before = held_by_moderators({row.permission: row.allowed for row in rows})
            differ = [name for name, one in known.items() if (name in chosen) != one.moderators]
            await work.execute(_CLEAR, known=list(known), **scope)
            await work.execute(
                _STORE, held=list(chosen), differ=differ, actor=principal.user_id, **scope
            )
            dead: list[UUID] = []
            if SUPPORT_ACT.name not in chosen:
                dead = [row.id for row in await work.execute(_END_SUPPORT, **scope)]
            await audit(
                work,
                principal,
                action="role.permissions.change",
                target_type="tenant",
                target_id=principal.tenant_id,
                before={"role": role, "permissions": sorted(before)},
                after={"role": role, "permissions": sorted(chosen)},
                reason=reason,
            )
        await self._gate.roles_changed(principal.tenant_id)
        if dead:
            await self._gate.revoke(*dead)
        return _view("moderator", chosen)


def _view(role: Role, held: frozenset[str] | None) -> RoleView:
    """Return a role's view; ``held`` None: all of an administrator, nothing of a customer."""
    lines = [
        PermissionLine(
            name=one.name,
            description_fa=one.fa,
            description_en=one.en,
            allowed=role == "admin" if held is None else one.name in held,
            default=role == "admin" or (role == "moderator" and one.moderators),
        )
        for one in all_permissions()
    ]
    return RoleView(role=role, editable=role == "moderator", permissions=lines)


def _unknown(index: int) -> FieldError:
    return FieldError(
        pointer=f"/permissions/{index}",
        code="unknown_permission",
        message_fa="چنین اجازه‌ای نیست",
        message_en="There is no such permission",
    )
