"""The end of an account: asked for, waited for, taken back or carried out.

Until the day comes the account works as before, and its owner may take the request back. Then
what names the person is erased here, and every context hears of it and erases its own. The row
itself, payments and the audit log stay: they are a number's history and no longer a person's.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from flatrender.clock import uuid7
from flatrender.contracts.identity import UserDeleted
from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender.tasks.task import Nothing, Task
from flatrender_identity.addresses import Address
from flatrender_identity.errors import InvalidLink
from flatrender_identity.services.audit import audit_across
from flatrender_identity.services.credentials import CredentialService
from flatrender_identity.services.data_exports import REMOVE, RemoveObjects
from flatrender_identity.services.links import LinkService
from flatrender_identity.services.one_time import OneTimeService, Proof
from flatrender_identity.services.reach import keep_an_admin
from flatrender_identity.services.security_log import record, tell_owner
from flatrender_identity.settings import IdentitySettings

BATCH = 50

_ASK = """
UPDATE identity.users SET deletion_requested_at = now(),
    deletion_due_at = now() + CAST(:grace AS interval)
WHERE tenant_id = :tenant AND id = :user AND deleted_at IS NULL AND deletion_due_at IS NULL
RETURNING email, locale, deletion_due_at
"""
_CANCEL = """
UPDATE identity.users SET deletion_requested_at = NULL, deletion_due_at = NULL
WHERE tenant_id = :tenant AND id = :user AND deleted_at IS NULL AND deletion_due_at IS NOT NULL
RETURNING id
"""
_DUE = """
SELECT tenant_id, id FROM identity.users
WHERE deletion_due_at <= now() AND deleted_at IS NULL ORDER BY deletion_due_at LIMIT $1
"""
_ERASE = """
UPDATE identity.users SET status = 'Deleted', deleted_at = now(), email = NULL,
    email_verified_at = NULL, mobile = NULL, mobile_verified_at = NULL, external_id = NULL,
    password_hash = NULL, display_name = '', first_name = NULL, last_name = NULL, company = NULL,
    avatar_object_key = NULL, country = NULL, timezone = NULL, last_login_ip = NULL,
    marketing_consent = false, ban_reason = NULL, metadata = '{}', role = 'user',
    mfa_enabled = false, session_epoch = session_epoch + 1
WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL AND deletion_due_at <= now()
RETURNING id
"""
_SESSIONS = "SELECT id FROM identity.sessions WHERE tenant_id = $1 AND user_id = $2"
_COPIES = """
SELECT object_key, parts FROM identity.data_exports WHERE tenant_id = $1 AND user_id = $2
"""
#: Everything of the context that describes the person and nothing that describes money.
_GONE = (
    "sessions",
    "mfa_factors",
    "mfa_recovery_codes",
    "mfa_challenges",
    "trusted_devices",
    "one_time_tokens",
    "oauth_identities",
    "push_subscriptions",
    "security_events",
    "data_exports",
    "quest_progress",
    "user_progress",
    "earned_gifts",
    "user_crm_activities",
    "user_crm",
)
_DELETE = tuple(
    f"DELETE FROM identity.{table} WHERE tenant_id = $1 AND user_id = $2"  # noqa: S608 - a constant
    for table in _GONE
)
#: Who invited stays; the invited address goes.
_INVITED = """
UPDATE identity.invitations SET email = '', message = ''
WHERE tenant_id = $1 AND accepted_by = $2
"""


class DeletionService:
    """Use cases of an account's end."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        settings = context.infra.settings.section("identity", IdentitySettings)
        self._grace = timedelta(days=settings.deletion_grace_days)

    async def ask(self, principal: Principal, *, password: str | None) -> None:
        """Have the caller's account erased after the grace; the owner is told, with a link that
        takes it back. Asking again changes nothing.

        Raises what :meth:`CredentialService.prove` raises, and :class:`LastAdmin`.
        """
        account = await self._context.get(CredentialService).prove(principal, password)
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await keep_an_admin(work, account.id)
            asked = await work.execute(
                _ASK, grace=self._grace, tenant=principal.tenant_id, user=account.id
            )
            row = asked.first()
            if row is None:
                return
            params = {"day": row.deletion_due_at.date().isoformat()}
            await record(
                work, account.id, "deletion_asked", session_id=principal.session_id, detail=params
            )
            if row.email:
                await self._context.get(LinkService).issue(
                    work,
                    token_id=uuid7(),
                    purpose="delete_account",
                    user_id=account.id,
                    address=Address("Email", row.email),
                    locale=row.locale,
                    params=params,
                )
            else:
                await tell_owner(work, account.id, "delete_account", params)

    async def cancel(self, principal: Principal) -> None:
        """Take the caller's request back. Raises ``NotFound`` where there is none."""
        if principal.user_id is None or not await self._cancel(
            principal.tenant_id, principal.user_id
        ):
            raise NotFound()

    async def cancel_by(self, proof: Proof) -> None:
        """Take a request back by the link of its mail. Raises :class:`InvalidLink`."""
        async with self._db.unit_of_work(proof.tenant_id) as work:
            burned = await self._context.get(OneTimeService).burn(work, proof)
        if burned.user_id is None or not await self._cancel(proof.tenant_id, burned.user_id):
            raise InvalidLink()

    async def erase_due(self) -> int:
        """Erase accounts whose day has come; returns how many."""
        rows = await self._db.system_fetch("accounts to erase", _DUE, BATCH)
        erased = [row for row in rows if await self._erase(row["tenant_id"], row["id"])]
        return len(erased)

    async def _cancel(self, tenant_id: UUID, user_id: UUID) -> bool:
        async with self._db.unit_of_work(tenant_id) as work:
            done = await work.execute(_CANCEL, tenant=tenant_id, user=user_id)
            if done.first() is None:
                return False
            await record(work, user_id, "deletion_cancelled")
            await tell_owner(work, user_id, "deletion_cancelled")
        return True

    async def _erase(self, tenant_id: UUID, user_id: UUID) -> bool:
        """Erase one account, unless its owner has just taken it back or it is done already."""
        async with self._db.system("an account's end") as work:
            if await work.fetchrow(_ERASE, tenant_id, user_id) is None:
                return False
            sessions: list[Any] = await work.fetch(_SESSIONS, tenant_id, user_id)
            copies = await work.fetch(_COPIES, tenant_id, user_id)
            keys = [key for row in copies for key in (row["object_key"], *row["parts"].values())]
            work.enqueue(REMOVE, RemoveObjects([key for key in keys if key]))
            for statement in _DELETE:
                await work.execute(statement, tenant_id, user_id)
            await work.execute(_INVITED, tenant_id, user_id)
            await audit_across(
                work,
                "system",
                tenant_id,
                action="user.erase",
                target_type="user",
                target_id=user_id,
                reason="asked for by its owner, the grace is over",
            )
            work.emit(UserDeleted(user_id=user_id), tenant_id=tenant_id, user_id=user_id)
        dead = [row["id"] for row in sessions]
        if dead:
            await self._context.infra.security.gate.revoke(*dead)
        return True


async def erase_accounts(context: PluginContext, _payload: Nothing) -> None:
    """Erase accounts whose grace is over."""
    await context.get(DeletionService).erase_due()


ERASE_ACCOUNTS = Task(
    name="identity.erase_accounts", queue="cleanup", handler=erase_accounts, timeout=300.0
)
