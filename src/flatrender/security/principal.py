"""The principal: who makes this request, decided once by the credential and by nothing else."""

from contextvars import ContextVar
from typing import Literal
from uuid import UUID

from msgspec import Struct

DEFAULT_TENANT_ID = UUID("00000000-0000-0000-0000-000000000001")

PrincipalKind = Literal["anonymous", "user", "api_key", "node", "system"]
Role = Literal["user", "moderator", "admin"]


class Principal(Struct, frozen=True, kw_only=True):
    """The caller of one request.

    ``mfa_at`` is the Unix time of the last second factor in this session (0: none), used by
    guards for staff and for step-up; ``mfa_required``: the tenant lets nobody act without one.
    ``scopes`` belong to API keys; ``permissions`` are what a moderator may here and now, asked by
    :meth:`may`. ``impersonator_id``: who of support acts in this user's account; None is its owner.
    """

    kind: PrincipalKind
    tenant_id: UUID
    user_id: UUID | None = None
    role: Role = "user"
    session_id: UUID | None = None
    key_id: UUID | None = None
    scopes: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    mfa_at: int = 0
    mfa_required: bool = False
    impersonator_id: UUID | None = None

    @property
    def lacks_mfa(self) -> bool:
        """True for who needs a second factor (staff, and everybody of a tenant that says so) and
        has shown none in this session."""
        return (self.is_staff or self.mfa_required) and self.mfa_at == 0

    @property
    def is_staff(self) -> bool:
        """True for roles that administer a tenant and therefore need a second factor."""
        return self.kind == "user" and self.role in ("moderator", "admin")

    def may(self, permission: str) -> bool:
        """True when this member of staff may do what ``permission`` names: an administrator
        always, a moderator as the tenant has it, nobody else."""
        if not self.is_staff:
            return False
        return self.role == "admin" or permission in self.permissions

    @property
    def subject(self) -> str:
        """A short stable name of the caller for limits, idempotency and logs."""
        return f"{self.kind}:{self.user_id or self.key_id or 'none'}"


def anonymous(tenant_id: UUID = DEFAULT_TENANT_ID) -> Principal:
    """Return the principal of a call that carries no credential."""
    return Principal(kind="anonymous", tenant_id=tenant_id)


current_principal: ContextVar[Principal | None] = ContextVar("current_principal", default=None)
