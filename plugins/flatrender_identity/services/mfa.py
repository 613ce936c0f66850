"""Second factors: the authenticator app, and showing one of whatever kind.

A factor counts once it is confirmed. A TOTP step once used is refused, also in parallel: the
step is a compare-and-set. Tries are counted for all kinds together (see ``factors``).
"""

import hmac
import io
from uuid import UUID

import pyotp
import segno
from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender.security.secrets import Place
from flatrender_identity.errors import FactorExists, InvalidMfaCode
from flatrender_identity.passkeys import (
    RelyingParty,
    RequestOptions,
    UsedCredential,
    request_options,
)
from flatrender_identity.services import mfa_sql as sql
from flatrender_identity.services.challenges import ChallengeService, PendingLogin
from flatrender_identity.services.codes import ascii_digits
from flatrender_identity.services.credentials import CredentialService
from flatrender_identity.services.factors import FactorService
from flatrender_identity.services.passkey_sign_in import BegunSignIn
from flatrender_identity.services.passkeys import PasskeyService
from flatrender_identity.services.recovery_codes import RecoveryCodeService
from flatrender_identity.services.relying_party import RelyingPartyService
from flatrender_identity.services.security_log import record, tell_owner
from flatrender_identity.services.sessions import SessionService, Tokens, role_named
from flatrender_identity.services.trusted_devices import Trust, TrustedDeviceService, end_trust

STEP_SECONDS = 30


class Enrolment(Struct, frozen=True, kw_only=True):
    """A TOTP factor that waits for its first code. ``qr_svg`` shows ``otpauth_uri``."""

    factor_id: UUID
    secret: str
    otpauth_uri: str
    qr_svg: str


class Shown(Struct, frozen=True, kw_only=True):
    """A second factor that somebody shows: a code, or else a passkey."""

    code: str = ""
    passkey: UsedCredential | None = None


class _Asked(Struct, frozen=True):
    """What a shown passkey must answer to."""

    party: RelyingParty
    challenge: bytes


class MfaService:
    """Use cases of second factors."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._factors = context.get(FactorService)
        self._codes = context.get(RecoveryCodeService)
        self._challenges = context.get(ChallengeService)
        self._passkeys = context.get(PasskeyService)

    async def enrol_totp(
        self, principal: Principal, account: str, *, password: str | None
    ) -> Enrolment:
        """Begin a TOTP factor; an earlier unconfirmed one is replaced.

        A first factor stands for the password from then on, so who begins one has just signed in
        or knows it. Raises :class:`FactorExists` when one is confirmed already, ``StepUpRequired``
        where another factor is and was not shown of late, else what
        :meth:`CredentialService.prove` raises.
        """
        if principal.user_id is None:
            raise NotFound()
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await self._may_add(work, principal, principal.user_id)
        await self._context.get(CredentialService).prove(principal, password, or_signed_in=True)
        factor_id, secret = uuid7(), pyotp.random_base32()
        sealed = self._context.infra.encryptor.encrypt(secret, _place(factor_id))
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await self._may_add(work, principal, principal.user_id)
            await work.execute(
                sql.DROP_UNCONFIRMED, tenant=principal.tenant_id, user=principal.user_id
            )
            await work.execute(
                sql.ENROL,
                id=factor_id,
                tenant=principal.tenant_id,
                user=principal.user_id,
                secret=sealed.encode(),
            )
        uri = pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name="FlatRender")
        buffer = io.BytesIO()
        segno.make(uri, error="m").save(buffer, kind="svg", scale=4, border=2)
        return Enrolment(
            factor_id=factor_id, secret=secret, otpauth_uri=uri, qr_svg=buffer.getvalue().decode()
        )

    async def confirm_totp(
        self, principal: Principal, factor_id: UUID, code: str
    ) -> tuple[list[str], Tokens]:
        """Confirm a factor by its first code; returns strengthened tokens, and recovery codes
        where it is the first factor.

        Raises ``NotFound``, :class:`FactorExists`, :class:`InvalidMfaCode`, ``RateLimited``,
        ``StepUpRequired``.
        """
        if principal.user_id is None:
            raise NotFound()
        party = f"account:{principal.user_id}"
        await self._context.infra.security.limiter.check("mfa", party, critical=True)
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await self._may_add(work, principal, principal.user_id)
            found = await work.execute(
                sql.UNCONFIRMED,
                tenant=principal.tenant_id,
                user=principal.user_id,
                id=factor_id,
            )
            row = found.first()
            if row is None:
                raise NotFound()
            step = self._matching_step(factor_id, row.secret_enc, ascii_digits(code.strip()))
            if step is None:
                raise InvalidMfaCode()
            await work.execute(sql.CONFIRM, step=step, tenant=principal.tenant_id, id=factor_id)
            codes = await self._factors.added(work, principal.user_id)
            await self._tell(work, principal.user_id, "mfa_enabled" if codes else "totp_added")
        now = self._context.clock.now()
        tokens = await self._context.get(SessionService).strengthen(principal, now, method="otp")
        return codes, tokens

    async def ask_passkey(self, mfa_token: str) -> RequestOptions:
        """Ask a browser for a passkey as the second factor of a sign-in.

        Raises :class:`InvalidMfaToken`.
        """
        login = await self._challenges.pending(mfa_token)
        party = await self._context.get(RelyingPartyService).of(login.tenant_id)
        known = await self._passkeys.known(login.tenant_id, login.user_id, party)
        return request_options(party, await self._challenges.ask_pending(login), known)

    async def finish_login(
        self,
        mfa_token: str,
        shown: Shown,
        *,
        user_agent: str,
        device: str | None,
        trust: bool = False,
    ) -> tuple[Tokens, Trust | None]:
        """Finish a login by the second factor; ``trust`` asks that this device need not show it
        again for a while, where that is allowed.

        Raises :class:`InvalidMfaToken`, :class:`InvalidMfaCode`, :class:`InvalidPasskey` or
        :class:`MfaLocked`.
        """
        login = await self._challenges.pending(mfa_token)
        tenant_id = login.tenant_id
        await self._factors.pay_try(tenant_id, login.user_id, login.challenge_id)
        asked = None
        if shown.passkey is not None:
            party = await self._context.get(RelyingPartyService).of(tenant_id)
            asked = _Asked(party, await self._challenges.take_pending(login))
        method = await self._prove(tenant_id, login.user_id, shown, asked, login)
        tokens = await self._context.get(SessionService).open(
            tenant_id,
            login.user_id,
            role=role_named(login.role),
            epoch=login.epoch,
            amr=[*login.amr, method],
            user_agent=user_agent,
            device=device,
            mfa_at=self._context.clock.now(),
        )
        if not trust:
            return tokens, None
        devices = self._context.get(TrustedDeviceService)
        return tokens, await devices.trust(tenant_id, login.user_id, login.role, tokens.session_id)

    async def ask_step_up(self, principal: Principal) -> BegunSignIn:
        """Ask a browser for a passkey for step-up."""
        if principal.user_id is None:
            raise NotFound()
        party = await self._context.get(RelyingPartyService).of(principal.tenant_id)
        known = await self._passkeys.known(principal.tenant_id, principal.user_id, party)
        asked = await self._challenges.ask(
            principal.tenant_id,
            "step_up",
            user_id=principal.user_id,
            session_id=principal.session_id,
        )
        options = request_options(party, asked.challenge, known)
        return BegunSignIn(challenge_id=asked.challenge_id, public_key=options)

    async def step_up(
        self, principal: Principal, shown: Shown, *, challenge_id: UUID | None = None
    ) -> Tokens:
        """Refresh the second factor of the caller's session; a passkey answers ``challenge_id``.

        Raises :class:`InvalidMfaCode`, :class:`InvalidPasskey`, :class:`MfaLocked`.
        """
        tenant_id, user_id = principal.tenant_id, principal.user_id
        if user_id is None:
            raise NotFound()
        await self._factors.pay_try(tenant_id, user_id)
        asked = None
        if shown.passkey is not None and challenge_id is not None:
            party = await self._context.get(RelyingPartyService).of(tenant_id)
            challenge = await self._challenges.take(
                tenant_id,
                "step_up",
                challenge_id,
                user_id=user_id,
                session_id=principal.session_id,
            )
            asked = _Asked(party, challenge)
        method = await self._prove(tenant_id, user_id, shown, asked, None)
        return await self._context.get(SessionService).strengthen(
            principal, self._context.clock.now(), method=method
        )

    async def remove_totp(self, principal: Principal) -> None:
        """Take the authenticator app away, tell the owner by mail and end sessions: what a
        session may do was decided with the factor in. With the last factor recovery codes go.

        The caller has shown a fresh factor (a guard's business). Raises ``NotFound`` when no app
        is confirmed.
        """
        tenant_id, user_id = principal.tenant_id, principal.user_id
        if user_id is None:
            raise NotFound()
        async with self._db.unit_of_work(tenant_id) as work:
            await self._factors.lock(work, user_id)
            removed = await work.execute(sql.REMOVE_TOTP, tenant=tenant_id, user=user_id)
            if removed.first() is None:
                raise NotFound()
            left, dead = await self._factors.removed(
                work, user_id, reason="second factor removed", session_id=principal.session_id
            )
            await self._tell(work, user_id, "totp_removed" if left else "mfa_disabled")
        if dead:
            await self._context.infra.security.gate.revoke(*dead)

    async def renew_codes(self, principal: Principal) -> list[str]:
        """Return ten new recovery codes; the old ones are void. The caller has shown a fresh
        factor. Raises ``NotFound`` when no factor is confirmed."""
        if principal.user_id is None:
            raise NotFound()
        async with self._db.unit_of_work(principal.tenant_id) as work:
            if not await self._factors.lock(work, principal.user_id):
                raise NotFound()
            codes = await self._codes.renew(work, principal.user_id)
            await end_trust(work, principal.user_id)
            await self._tell(work, principal.user_id, "recovery_codes_renewed")
        return codes

    async def _prove(
        self,
        tenant_id: UUID,
        user_id: UUID,
        shown: Shown,
        asked: _Asked | None,
        login: PendingLogin | None,
    ) -> str:
        """Use up what is shown, and the sign-in's wait with it; returns the method's name. The
        try is paid for."""
        async with (
            self._passkeys.warned(tenant_id, user_id),
            self._db.unit_of_work(tenant_id) as work,
        ):
            await self._factors.tries_back(work, user_id)
            if shown.passkey is not None and asked is not None:
                await self._passkeys.use(work, asked.party, user_id, shown.passkey, asked.challenge)
                method = "passkey"
            else:
                method = await self._use_code(work, user_id, shown.code)
            if login is not None:
                await self._challenges.finish(work, login)
        return method

    async def _use_code(self, work: UnitOfWork, user_id: UUID, code: str) -> str:
        """Use up a TOTP step or a recovery code. Raises :class:`InvalidMfaCode`."""
        text = ascii_digits(code.strip().replace(" ", ""))
        if len(text) == 6 and text.isdecimal():
            found = await work.execute(sql.TOTP, tenant=work.tenant, user=user_id)
            row = found.first()
            if row is not None:
                step = self._matching_step(row.id, row.secret_enc, text)
                if step is None:
                    raise InvalidMfaCode()
                used = await work.execute(sql.USE_STEP, step=step, tenant=work.tenant, id=row.id)
                if used.first() is None:
                    raise InvalidMfaCode()
                return "otp"
        if not await self._codes.burn(work, user_id, text):
            raise InvalidMfaCode()
        return "recovery_code"

    def _matching_step(self, factor_id: UUID, sealed: bytes, code: str) -> int | None:
        """Return the time step this code belongs to, one step of skew either way (RFC 6238)."""
        if not (code.isascii() and code.isdecimal() and len(code) == 6):
            return None
        opened = self._context.infra.encryptor.decrypt(bytes(sealed).decode(), _place(factor_id))
        totp = pyotp.TOTP(opened.reveal())
        present = int(self._context.clock.now().timestamp()) // STEP_SECONDS
        for step in (present, present - 1, present + 1):
            if hmac.compare_digest(totp.at(step * STEP_SECONDS), code):
                return step
        return None

    async def _may_add(self, work: UnitOfWork, principal: Principal, user_id: UUID) -> None:
        """Refuse a second app, and a first one beside another factor that is not shown."""
        await self._factors.lock(work, user_id)
        found = await work.execute(sql.TOTP, tenant=work.tenant, user=user_id)
        if found.first() is not None:
            raise FactorExists()
        await self._factors.lock_to_add(work, principal, user_id)

    @staticmethod
    async def _tell(work: UnitOfWork, user_id: UUID, kind: str) -> None:
        await record(work, user_id, kind)
        await tell_owner(work, user_id, kind)


def _place(factor_id: UUID) -> Place:
    return Place("identity", "mfa_factors", "secret_enc", str(factor_id))
