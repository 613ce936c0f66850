"""The addresses of an account: prove one, change one, tell both sides."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError

from flatrender.clock import uuid7
from flatrender.contracts.identity import UserEmailVerified
from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, Invalid
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.addresses import Address
from flatrender_identity.errors import (
    AddressNotAllowed,
    AddressTaken,
    InvalidCode,
    InvalidLink,
)
from flatrender_identity.services.credentials import CredentialService
from flatrender_identity.services.links import LinkService
from flatrender_identity.services.one_time import Burned, OneTimeService, Proof
from flatrender_identity.services.policies import PolicyService
from flatrender_identity.services.security_log import record, tell

_VERIFY = """
UPDATE identity.users SET
    email_verified_at = CASE WHEN email_key = :target THEN coalesce(email_verified_at, now())
                             ELSE email_verified_at END,
    mobile_verified_at = CASE WHEN mobile = :target THEN coalesce(mobile_verified_at, now())
                              ELSE mobile_verified_at END
WHERE tenant_id = :tenant AND id = :user AND status = 'Active' AND deleted_at IS NULL
  AND (email_key = :target OR mobile = :target)
RETURNING id
"""
_TAKEN = """
SELECT locale, id = :user AS own FROM identity.users
WHERE tenant_id = :tenant AND deleted_at IS NULL
  AND CASE WHEN :kind = 'Email' THEN email_key = :value ELSE mobile = :value END
"""
_LOCALE = "SELECT locale FROM identity.users WHERE tenant_id = :tenant AND id = :user"
_LOCK = """
SELECT email, mobile, locale FROM identity.users
WHERE tenant_id = :tenant AND id = :user AND status = 'Active' AND deleted_at IS NULL FOR UPDATE
"""
_CHANGE_EMAIL = """
UPDATE identity.users SET email = :value, email_verified_at = now()
WHERE tenant_id = :tenant AND id = :user
"""
_CHANGE_MOBILE = """
UPDATE identity.users SET mobile = :value, mobile_verified_at = now()
WHERE tenant_id = :tenant AND id = :user
"""
_VOID = """
UPDATE identity.one_time_tokens SET consumed_at = now()
WHERE tenant_id = :tenant AND user_id = :user AND consumed_at IS NULL AND target = :target
"""


class ContactService:
    """Use cases of an account's e-mail and mobile."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def verify(self, proof: Proof) -> None:
        """Prove an address by the link or code that was sent to it.

        Raises :class:`InvalidLink` and :class:`InvalidCode`.
        """
        async with self._db.unit_of_work(proof.tenant_id) as work:
            burned = await self._context.get(OneTimeService).burn(work, proof)
            done = await work.execute(
                _VERIFY, tenant=proof.tenant_id, user=burned.user_id, target=burned.target
            )
            if done.first() is None or burned.user_id is None:
                raise _void(proof)
            await record(work, burned.user_id, f"{burned.purpose}_done")
            if burned.purpose == "verify_email":
                work.emit(UserEmailVerified(user_id=burned.user_id))

    async def ask_change(
        self, principal: Principal, address: Address, *, password: str | None
    ) -> None:
        """Send a code to the new address; nothing changes before it comes back.

        An address of somebody else answers the same, and its owner is told. Raises what
        :meth:`CredentialService.prove` raises, :class:`AddressNotAllowed`, ``RateLimited``,
        ``Invalid`` for the address that the account has.
        """
        account = await self._context.get(CredentialService).prove(principal, password)
        if not (await self._context.get(PolicyService).of(principal.tenant_id)).takes(address):
            raise AddressNotAllowed()
        party = f"recipient:{principal.tenant_id}:{address.value}"
        await self._context.infra.security.limiter.check("message", party, critical=True)
        async with self._db.unit_of_work(principal.tenant_id) as work:
            found = await work.execute(
                _TAKEN,
                tenant=principal.tenant_id,
                user=account.id,
                kind=address.kind,
                value=address.value,
            )
            taken = found.first()
            if taken is not None and taken.own:
                raise Invalid(errors=[_same(address)])
            if taken is not None:
                tell(work, address, "address_in_use", taken.locale)
                return
            locale = await work.execute(_LOCALE, tenant=principal.tenant_id, user=account.id)
            await self._context.get(LinkService).issue(
                work,
                token_id=uuid7(),
                purpose="change_email" if address.kind == "Email" else "change_mobile",
                user_id=account.id,
                address=address,
                locale=locale.scalar_one(),
            )
            await record(
                work,
                account.id,
                f"{address.kind.lower()}_change_asked",
                session_id=principal.session_id,
                detail={"to": address.masked()},
            )

    async def change(self, proof: Proof) -> UUID:
        """Change the address by the link or code that the new one got; both sides are told, and
        links to the old one are void. Returns whose it was.

        Raises :class:`InvalidLink`, :class:`InvalidCode`, :class:`AddressTaken`.
        """
        try:
            async with self._db.unit_of_work(proof.tenant_id) as work:
                burned = await self._context.get(OneTimeService).burn(work, proof)
                return await self._swap(work, proof, burned)
        except IntegrityError as error:  # somebody registered it between asking and answering
            raise AddressTaken() from error

    async def _swap(self, work: UnitOfWork, proof: Proof, burned: Burned) -> UUID:
        found = await work.execute(_LOCK, tenant=proof.tenant_id, user=burned.user_id)
        row = found.first()
        if row is None or burned.user_id is None:
            raise _void(proof)
        email = burned.purpose == "change_email"
        new = Address("Email" if email else "Mobile", burned.target)
        old: str | None = row.email if email else row.mobile
        await work.execute(
            _CHANGE_EMAIL if email else _CHANGE_MOBILE,
            value=new.value,
            tenant=proof.tenant_id,
            user=burned.user_id,
        )
        template = "email_changed" if email else "mobile_changed"
        params = {"new": new.masked(), "old": ""}
        if old:
            await work.execute(
                _VOID, tenant=proof.tenant_id, user=burned.user_id, target=old.lower()
            )
            params["old"] = Address(new.kind, old).masked()
            tell(work, Address(new.kind, old), template, row.locale, burned.user_id, params)
        tell(work, new, template, row.locale, burned.user_id, params)
        if not email and row.email:
            # A changed mobile is told to the mailbox too: an old SIM may have a new owner.
            mailbox = Address("Email", row.email)
            tell(work, mailbox, template, row.locale, burned.user_id, params)
        await record(work, burned.user_id, template, detail=params)
        return burned.user_id


def _void(proof: Proof) -> InvalidCode | InvalidLink:
    return InvalidCode() if proof.by_code else InvalidLink()


def _same(address: Address) -> FieldError:
    return FieldError(
        pointer="/email" if address.kind == "Email" else "/mobile",
        code="address_unchanged",
        message_fa="این نشانی همین حالا از آن شماست",
        message_en="This is your address already",
    )
