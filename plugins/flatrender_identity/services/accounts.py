"""Accounts: register, look up, change one's own data.

Registering answers the same for an address that is known and one that is not, after the same
work.
"""

from uuid import UUID

from flatrender.clock import uuid7
from flatrender.contracts.identity import UserRegistered
from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import Role
from flatrender_identity.addresses import Address
from flatrender_identity.domain import is_zone
from flatrender_identity.errors import AddressNotAllowed
from flatrender_identity.queries import Me, me_of
from flatrender_identity.services.audit import audit
from flatrender_identity.services.devices import KnownDevices
from flatrender_identity.services.links import LinkService, Wanted
from flatrender_identity.services.policies import PolicyService

_INSERT = """
INSERT INTO identity.users (id, tenant_id, register_mode, email, mobile, password_hash,
    password_changed_at, display_name, locale, role, email_verified_at, terms_accepted_at)
VALUES (:id, :tenant, :mode, :email, :mobile, :hash, now(), :name, :locale, :role,
    CASE WHEN :verified THEN now() END, now())
ON CONFLICT DO NOTHING
RETURNING id
"""
_CHANGE = """
UPDATE identity.users SET display_name = coalesce(:name, display_name),
    locale = coalesce(:locale, locale), timezone = coalesce(:timezone, timezone)
WHERE tenant_id = :tenant AND id = :user AND deleted_at IS NULL RETURNING id
"""


class AccountService:
    """Use cases around ``identity.users``."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self.devices = KnownDevices(context)
        self._db = context.db

    async def register(
        self, tenant_id: UUID, *, address: Address, password: str, display_name: str, locale: str
    ) -> None:
        """Make an account if the address is free; the caller cannot tell. A message to the
        address says which, with a code to prove it or a way into the account that is there.

        Raises ``Invalid`` for a refused password, :class:`AddressNotAllowed`, ``RateLimited``.
        """
        policies = self._context.get(PolicyService)
        if not (await policies.of(tenant_id)).takes(address):
            raise AddressNotAllowed()
        await policies.check_password(
            tenant_id, password, identifiers=[address.value, display_name], has_mfa=False
        )
        security = self._context.infra.security
        party = f"recipient:{tenant_id}:{address.value}"
        await security.limiter.check("message", party, critical=True)
        hashed = await security.passwords.hash(password)
        async with self._db.unit_of_work(tenant_id) as work:
            made = await self._insert(
                work, address=address, hashed=hashed, display_name=display_name, locale=locale
            )
            wanted: Wanted = "known" if made is None else "verify"
            self._context.get(LinkService).enqueue(work, address, wanted)

    async def create(
        self,
        tenant_id: UUID,
        *,
        email: str,
        hashed: str,
        display_name: str,
        locale: str,
        role: Role = "user",
        verified: bool = False,
        reason: str = "",
    ) -> UUID | None:
        """Insert a user, whom nobody is told of, as the operator's act; None when the address is
        taken."""
        async with self._db.unit_of_work(tenant_id) as work:
            made = await self._insert(
                work,
                address=Address("Email", email),
                hashed=hashed,
                display_name=display_name,
                locale=locale,
                role=role,
                verified=verified,
            )
            if made is not None:
                await audit(
                    work,
                    "cli",
                    action="user.create",
                    target_type="user",
                    target_id=made,
                    after={"role": role},
                    reason=reason,
                )
        return made

    async def _insert(
        self,
        work: UnitOfWork,
        *,
        address: Address,
        hashed: str,
        display_name: str,
        locale: str,
        role: Role = "user",
        verified: bool = False,
    ) -> UUID | None:
        email = address.kind == "Email"
        made = await work.execute(
            _INSERT,
            id=uuid7(),
            tenant=work.tenant,
            mode=address.kind,
            email=address.value if email else None,
            mobile=None if email else address.value,
            hash=hashed,
            name=display_name,
            locale=locale,
            role=role,
            verified=verified,
        )
        user_id: UUID | None = made.scalar_one_or_none()
        if user_id is not None:
            work.emit(UserRegistered(user_id=user_id, register_mode=address.kind, locale=locale))
        return user_id

    async def me(self, tenant_id: UUID, user_id: UUID) -> Me:
        """Return the user's own picture of themselves. Raises ``NotFound``."""
        found = await me_of(self._db.reads, tenant_id, user_id)
        if found is None:
            raise NotFound()
        return found

    async def change(
        self,
        tenant_id: UUID,
        user_id: UUID,
        *,
        display_name: str | None,
        locale: str | None,
        timezone: str | None,
    ) -> None:
        """Change what a user may change about themselves; None leaves a field as it is.

        Raises ``Invalid`` for a time zone that is none, ``NotFound``.
        """
        if timezone is not None and not is_zone(timezone):
            raise Invalid(
                errors=[
                    FieldError(
                        pointer="/timezone",
                        code="timezone_unknown",
                        message_fa="چنین منطقهٔ زمانی نیست",
                        message_en="There is no such time zone",
                    )
                ]
            )
        async with self._db.unit_of_work(tenant_id) as work:
            changed = await work.execute(
                _CHANGE,
                name=display_name,
                locale=locale,
                timezone=timezone,
                tenant=tenant_id,
                user=user_id,
            )
            if changed.first() is None:
                raise NotFound()
