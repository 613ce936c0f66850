"""What an operator does from the command line: make users, grant plans. Every act is audited."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from flatrender.plugin import PluginContext
from flatrender.security.principal import DEFAULT_TENANT_ID, Role
from flatrender_identity.domain import normalise_email
from flatrender_identity.errors import AddressTaken, UnknownUser
from flatrender_identity.queries_people import (
    ORDER,
    PeopleFilter,
    PersonLine,
    conditions,
    page_sql,
)
from flatrender_identity.services.accounts import AccountService
from flatrender_identity.services.bans import BanService
from flatrender_identity.services.plans import PlanService


class FoundUser(Struct, frozen=True):
    """A user as the command line needs it."""

    id: UUID
    tenant_id: UUID


async def find_user(
    context: PluginContext, email: str, *, tenant_id: UUID = DEFAULT_TENANT_ID
) -> FoundUser:
    """Return the user with this address in the tenant. Raises :class:`UnknownUser`."""
    address = normalise_email(email) or ""
    found = await context.db.reads.one(
        FoundUser,
        tenant_id,
        "SELECT id, tenant_id FROM identity.users WHERE tenant_id = $1 AND email_key = $2 "
        "AND deleted_at IS NULL",
        tenant_id,
        address,
    )
    if found is None:
        raise UnknownUser()
    return found


async def create_user(
    context: PluginContext,
    email: str,
    password: str,
    *,
    role: Role,
    display_name: str = "",
    tenant_id: UUID = DEFAULT_TENANT_ID,
) -> UUID:
    """Make a verified user. Raises :class:`AddressTaken` or :class:`UnknownUser` (no address)."""
    address = normalise_email(email)
    if address is None:
        raise UnknownUser()
    hashed = await context.infra.security.passwords.hash(password)
    made = await context.get(AccountService).create(
        tenant_id,
        email=address,
        hashed=hashed,
        display_name=display_name,
        locale="fa",
        role=role,
        verified=True,
        reason="made by the operator",
    )
    if made is None:
        raise AddressTaken()
    return made


async def grant_plan(
    context: PluginContext,
    email: str,
    code: str,
    *,
    days: int | None = None,
    tenant_id: UUID = DEFAULT_TENANT_ID,
) -> None:
    """Put the user with this address on a plan, and write down that the operator did so."""
    user = await find_user(context, email, tenant_id=tenant_id)
    await context.get(PlanService).grant(
        user.tenant_id, user.id, code, days=days, by="cli", reason="granted by the operator"
    )


async def list_users(
    context: PluginContext,
    wanted: PeopleFilter,
    *,
    limit: int,
    tenant_id: UUID = DEFAULT_TENANT_ID,
) -> list[PersonLine]:
    """Return the tenant's people that the filter chooses, the newest first."""
    sql, values = conditions(wanted, first=3)
    page = page_sql(sql, ORDER.parse(None), "TRUE")
    return await context.db.reads.all(PersonLine, tenant_id, page, tenant_id, limit, *values)


async def ban_user(
    context: PluginContext,
    email: str,
    *,
    reason: str,
    until: datetime | None,
    tenant_id: UUID = DEFAULT_TENANT_ID,
) -> None:
    """Ban the user with this address, staff as well. Raises :class:`UnknownUser`, ``LastAdmin``,
    ``Invalid``."""
    user = await find_user(context, email, tenant_id=tenant_id)
    await context.get(BanService).ban("cli", tenant_id, user.id, reason=reason, until=until)


async def unban_user(
    context: PluginContext, email: str, *, reason: str, tenant_id: UUID = DEFAULT_TENANT_ID
) -> None:
    """Lift the ban of the user with this address. Raises :class:`UnknownUser`, ``NotBanned``."""
    user = await find_user(context, email, tenant_id=tenant_id)
    await context.get(BanService).lift("cli", tenant_id, user.id, reason=reason)
