"""Signing in: a password, a one-time link or a provider first, then the second factor where there
is one."""

from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.http.context import client_address
from flatrender.http.proxies import limit_key
from flatrender.plugin import PluginContext
from flatrender_identity.addresses import read_address
from flatrender_identity.errors import InvalidCode, InvalidCredentials, InvalidLink
from flatrender_identity.queries import Credential, active_credential, credential_of
from flatrender_identity.services.challenges import ChallengeService
from flatrender_identity.services.devices import KnownDevices
from flatrender_identity.services.factors import FactorService
from flatrender_identity.services.one_time import LIVES, OneTimeService, Proof
from flatrender_identity.services.sessions import SessionService, Tokens, role_named
from flatrender_identity.services.trusted_devices import TrustedDeviceService

#: Who reads the address owns it; the link was made for this very address.
_BY_LINK = """
UPDATE identity.users SET
    email_verified_at = CASE WHEN email_key = :target THEN coalesce(email_verified_at, now())
                             ELSE email_verified_at END,
    mobile_verified_at = CASE WHEN mobile = :target THEN coalesce(mobile_verified_at, now())
                              ELSE mobile_verified_at END
WHERE tenant_id = :tenant AND id = :user AND status = 'Active' AND deleted_at IS NULL
  AND (email_key = :target OR mobile = :target)
RETURNING id, password_hash, role, status, mfa_enabled, session_epoch
"""


class MfaPending(Struct, frozen=True, kw_only=True):
    """The first factor was right; the second is still to come, by one of ``methods``. With it
    the device can be trusted for ``trust_days`` (0: not)."""

    mfa_token: str
    methods: list[str]
    trust_days: int


class PasswordChangePending(Struct, frozen=True, kw_only=True):
    """The password was right, and good for choosing another one only: with ``token``, as a
    forgotten one is replaced, within ``expires_in`` seconds."""

    token: str
    expires_in: int


class SignInService:
    """Use cases of signing in."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._devices = KnownDevices(context)

    async def log_in(
        self,
        tenant_id: UUID,
        *,
        identifier: str,
        password: str,
        user_agent: str,
        device: str | None,
        device_token: str | None = None,
        trusted: str | None = None,
    ) -> Tokens | MfaPending | PasswordChangePending:
        """Check the password and open a session, or ask for the second factor; ``trusted`` is the
        token of a device where it need not be shown. A password that staff have set opens nothing:
        another one is asked for.

        Unknown, banned and passwordless accounts cost the same work and answer the same. Tries
        are counted for the account, by whichever of its names, or for the device where it is a
        known one. Raises :class:`InvalidCredentials` and ``RateLimited``.
        """
        address = read_address(identifier)
        name = address.value if address else ""
        security = self._context.infra.security
        found = await credential_of(self._db.reads, tenant_id, address) if address else None
        known = self._devices.party(tenant_id, name, device_token)
        parties = (
            known or f"account:{tenant_id}:{found.id if found else name}",
            f"address:{limit_key(client_address())}",
        )
        await security.limiter.check("login", *parties, critical=True)
        usable = found.password_hash if found and found.status == "Active" else None
        check = await security.passwords.verify(usable, password)
        if found is None or not check.matched:
            raise InvalidCredentials()
        await security.limiter.reset("login", parties[0])
        if found.password_must_change:
            return await self._other_password(tenant_id, found.id, name)
        return await self._proceed(
            tenant_id,
            found,
            ["pwd"],
            user_agent=user_agent,
            device=device,
            rehash=check.rehash,
            trusted=trusted,
        )

    async def by_link(
        self, proof: Proof, *, user_agent: str, device: str | None, trusted: str | None = None
    ) -> Tokens | MfaPending:
        """Open a session by a one-time link or code; a second factor is asked for as after a
        password.

        Raises :class:`InvalidLink` and :class:`InvalidCode`.
        """
        async with self._db.unit_of_work(proof.tenant_id) as work:
            burned = await self._context.get(OneTimeService).burn(work, proof)
            changed = await work.execute(
                _BY_LINK, tenant=proof.tenant_id, user=burned.user_id, target=burned.target
            )
            row = changed.first()
            if row is None:  # banned, deleted, or the address is no longer the account's
                raise InvalidCode() if proof.by_code else InvalidLink()
        account = Credential(
            row.id, row.password_hash, row.role, row.status, row.mfa_enabled, row.session_epoch
        )
        method = "email" if "@" in burned.target else "sms"
        return await self._proceed(
            proof.tenant_id,
            account,
            [method],
            user_agent=user_agent,
            device=device,
            trusted=trusted,
        )

    async def by_provider(
        self,
        tenant_id: UUID,
        user_id: UUID,
        *,
        user_agent: str,
        device: str | None = None,
        trusted: str | None = None,
    ) -> Tokens | MfaPending:
        """Open a session for somebody whom a linked provider has vouched for; a second factor is
        asked for as after a password. Raises :class:`InvalidCredentials` for who may not sign
        in."""
        account = await active_credential(self._db.reads, tenant_id, user_id)
        if account is None:
            raise InvalidCredentials()
        return await self._proceed(
            tenant_id,
            account,
            ["fed"],
            user_agent=user_agent,
            device=device,
            trusted=trusted,
        )

    async def _proceed(
        self,
        tenant_id: UUID,
        account: Credential,
        amr: list[str],
        *,
        user_agent: str,
        device: str | None,
        rehash: str | None = None,
        trusted: str | None = None,
    ) -> Tokens | MfaPending:
        if account.mfa_enabled:
            devices = self._context.get(TrustedDeviceService)
            if not await devices.trusted(tenant_id, account.id, account.role, trusted):
                return await self._pend(tenant_id, account, amr)
            amr = [*amr, "trusted_device"]
        return await self._context.get(SessionService).open(
            tenant_id,
            account.id,
            role=role_named(account.role),
            epoch=account.session_epoch,
            amr=amr,
            user_agent=user_agent,
            device=device,
            rehash=rehash,
        )

    async def _other_password(
        self, tenant_id: UUID, user_id: UUID, target: str
    ) -> PasswordChangePending:
        async with self._db.unit_of_work(tenant_id) as work:
            issued = await self._context.get(OneTimeService).issue(
                work,
                token_id=uuid7(),
                purpose="change_password",
                user_id=user_id,
                target=target,
            )
        if issued is None:
            raise InvalidCredentials()
        seconds = int(LIVES["change_password"].total_seconds())
        return PasswordChangePending(token=issued.token, expires_in=seconds)

    async def _pend(self, tenant_id: UUID, account: Credential, amr: list[str]) -> MfaPending:
        challenges = self._context.get(ChallengeService)
        return MfaPending(
            mfa_token=await challenges.pend(
                tenant_id, account.id, amr, epoch=account.session_epoch
            ),
            methods=await self._context.get(FactorService).methods(tenant_id, account.id),
            trust_days=await self._context.get(TrustedDeviceService).days(tenant_id, account.role),
        )
