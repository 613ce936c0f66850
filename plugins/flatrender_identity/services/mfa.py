"""Second factors: TOTP and recovery codes.

A factor counts once it is confirmed. A TOTP step once used is refused, also in parallel: the
step is a compare-and-set. A try is paid for before its code is looked at, in a transaction of
its own: guesses sent at once cannot share one count, and the refusal does not undo it. A right
code gives the account's tries back.
"""

import hmac
import io
import math
from datetime import timedelta
from uuid import UUID

import pyotp
import segno
from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound, Unauthorized
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender.security.secrets import Place
from flatrender_identity.errors import FactorExists, InvalidMfaCode, InvalidMfaToken, MfaLocked
from flatrender_identity.services import mfa_sql as sql
from flatrender_identity.services.codes import ascii_digits, plain, recovery_code
from flatrender_identity.services.keys import KeyService
from flatrender_identity.services.security_log import record, tell_owner
from flatrender_identity.services.sessions import SessionService, Tokens, role_named
from flatrender_identity.services.sign_in import MFA_TOKEN

STEP_SECONDS = 30
CHALLENGE_WRONG = 5
ACCOUNT_WRONG = 10
LOCK = timedelta(minutes=15)
RECOVERY_CODES = 10


class Enrolment(Struct, frozen=True, kw_only=True):
    """A TOTP factor that waits for its first code. ``qr_svg`` shows ``otpauth_uri``."""

    factor_id: UUID
    secret: str
    otpauth_uri: str
    qr_svg: str


class _Challenge(Struct, frozen=True):
    tenant_id: UUID
    challenge_id: UUID


class MfaService:
    """Use cases of second factors."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._hash = context.infra.security.keyed_hash("recovery_code")

    async def enrol_totp(self, principal: Principal, account: str) -> Enrolment:
        """Begin a TOTP factor; an earlier unconfirmed one is replaced.

        Raises :class:`FactorExists` when one is confirmed already.
        """
        factor_id, secret = uuid7(), pyotp.random_base32()
        sealed = self._context.infra.encryptor.encrypt(secret, _place(factor_id))
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await work.execute(sql.LOCK_USER, tenant=principal.tenant_id, user=principal.user_id)
            if await self._has_factor(work, principal):
                raise FactorExists()
            await work.execute(
                "DELETE FROM identity.mfa_factors WHERE tenant_id = :tenant AND user_id = :user "
                "AND kind = 'totp' AND confirmed_at IS NULL",
                tenant=principal.tenant_id,
                user=principal.user_id,
            )
            await work.execute(
                "INSERT INTO identity.mfa_factors (id, tenant_id, user_id, kind, name, secret_enc) "
                "VALUES (:id, :tenant, :user, 'totp', 'TOTP', :secret)",
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
        """Confirm a factor by its first code; returns recovery codes and strengthened tokens.

        Raises ``NotFound``, :class:`FactorExists`, :class:`InvalidMfaCode`, :class:`MfaLocked`.
        """
        if principal.user_id is None:
            raise NotFound()
        await self._limit(principal.user_id)
        codes = [recovery_code() for _ in range(RECOVERY_CODES)]
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await work.execute(sql.LOCK_USER, tenant=principal.tenant_id, user=principal.user_id)
            if await self._has_factor(work, principal):
                raise FactorExists()
            found = await work.execute(
                "SELECT secret_enc FROM identity.mfa_factors WHERE tenant_id = :tenant "
                "AND user_id = :user AND id = :id AND confirmed_at IS NULL FOR UPDATE",
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
            await work.execute(
                "UPDATE identity.mfa_factors SET confirmed_at = now(), last_used_step = :step, "
                "last_used_at = now() WHERE tenant_id = :tenant AND id = :id",
                step=step,
                tenant=principal.tenant_id,
                id=factor_id,
            )
            await work.execute(
                "UPDATE identity.users SET mfa_enabled = true "
                "WHERE tenant_id = :tenant AND id = :user",
                tenant=principal.tenant_id,
                user=principal.user_id,
            )
            await self._replace_codes(work, principal.user_id, codes)
            await self._tell(work, principal.user_id, "mfa_enabled")
        now = self._context.clock.now()
        tokens = await self._context.get(SessionService).strengthen(principal, now, method="otp")
        return codes, tokens

    async def finish_login(
        self, mfa_token: str, code: str, *, user_agent: str, device: str | None
    ) -> Tokens:
        """Finish a login by the second factor.

        Raises :class:`InvalidMfaToken`, :class:`InvalidMfaCode` or :class:`MfaLocked`.
        """
        challenge = await self._read_token(mfa_token)
        tenant_id = challenge.tenant_id
        async with self._db.unit_of_work(tenant_id) as work:
            taken = await work.execute(
                "SELECT c.user_id, c.amr, u.role, u.status, u.session_epoch, u.deleted_at "
                "FROM identity.mfa_challenges c "
                "JOIN identity.users u ON u.tenant_id = c.tenant_id AND u.id = c.user_id "
                "WHERE c.tenant_id = :tenant AND c.id = :id AND c.purpose = 'login' "
                "AND c.consumed_at IS NULL AND c.expires_at > now() AND c.wrong_attempts < :wrong",
                tenant=tenant_id,
                id=challenge.challenge_id,
                wrong=CHALLENGE_WRONG,
            )
            row = taken.first()
        if row is None or row.status != "Active" or row.deleted_at is not None:
            raise InvalidMfaToken()
        amr = await self._prove(tenant_id, row.user_id, code, challenge.challenge_id)
        return await self._context.get(SessionService).open(
            tenant_id,
            row.user_id,
            role=role_named(row.role),
            epoch=row.session_epoch,
            amr=[*row.amr, amr],
            user_agent=user_agent,
            device=device,
            mfa_at=self._context.clock.now(),
        )

    async def step_up(self, principal: Principal, code: str) -> Tokens:
        """Refresh the second factor of the caller's session."""
        if principal.user_id is None:
            raise NotFound()
        method = await self._prove(principal.tenant_id, principal.user_id, code, None)
        return await self._context.get(SessionService).strengthen(
            principal, self._context.clock.now(), method=method
        )

    async def remove_totp(self, principal: Principal) -> None:
        """Take the authenticator app and its recovery codes away, tell the owner by mail and end
        every session: what a session may do was decided with the factor in.

        The caller has shown a fresh factor (a guard's business). Raises ``NotFound`` when no app
        is confirmed.
        """
        tenant_id, user_id = principal.tenant_id, principal.user_id
        if user_id is None:
            raise NotFound()
        async with self._db.unit_of_work(tenant_id) as work:
            await work.execute(sql.LOCK_USER, tenant=tenant_id, user=user_id)
            removed = await work.execute(sql.REMOVE_TOTP, tenant=tenant_id, user=user_id)
            if removed.first() is None:
                raise NotFound()
            await self._replace_codes(work, user_id, [])
            await work.execute(sql.NO_MFA, tenant=tenant_id, user=user_id)
            ended = await work.execute(sql.END_SESSIONS, tenant=tenant_id, user=user_id)
            dead = [row.id for row in ended]
            await self._tell(work, user_id, "mfa_disabled")
        await self._context.infra.security.gate.revoke(*dead)

    async def renew_codes(self, principal: Principal) -> list[str]:
        """Return ten new recovery codes; the old ones are void. The caller has shown a fresh
        factor. Raises ``NotFound`` when no app is confirmed."""
        if principal.user_id is None:
            raise NotFound()
        codes = [recovery_code() for _ in range(RECOVERY_CODES)]
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await work.execute(sql.LOCK_USER, tenant=principal.tenant_id, user=principal.user_id)
            if not await self._has_factor(work, principal):
                raise NotFound()
            await self._replace_codes(work, principal.user_id, codes)
            await self._tell(work, principal.user_id, "recovery_codes_renewed")
        return codes

    async def _prove(
        self, tenant_id: UUID, user_id: UUID, code: str, challenge_id: UUID | None
    ) -> str:
        """Use up a TOTP step or a recovery code, and the challenge with it."""
        await self._pay_try(tenant_id, user_id, challenge_id)
        async with self._db.unit_of_work(tenant_id) as work:
            found = await work.execute(sql.FACTORS, tenant=tenant_id, user=user_id)
            method = await self._use(work, user_id, found.first(), code)
            if method is None:
                raise InvalidMfaCode()
            if challenge_id and not await self._consume(work, challenge_id):
                raise InvalidMfaToken()
            await work.execute(sql.TRIES_BACK, tenant=tenant_id, user=user_id)
        return method

    async def _pay_try(self, tenant_id: UUID, user_id: UUID, challenge_id: UUID | None) -> None:
        """Count one try of the account and of the challenge, or refuse it uncounted."""
        async with self._db.unit_of_work(tenant_id) as work:
            paid = await work.execute(
                sql.TRY_ACCOUNT, limit=ACCOUNT_WRONG, lock=LOCK, tenant=tenant_id, user=user_id
            )
            if paid.first() is None:
                raise await self._locked(work, user_id)
            if challenge_id is not None:
                taken = await work.execute(
                    sql.TRY_CHALLENGE, tenant=tenant_id, id=challenge_id, wrong=CHALLENGE_WRONG
                )
                if taken.first() is None:
                    raise InvalidMfaToken()

    async def _use(self, work: UnitOfWork, user_id: UUID, row: object, code: str) -> str | None:
        factor_id: UUID | None = getattr(row, "id", None)
        sealed: bytes | None = getattr(row, "secret_enc", None)
        text = ascii_digits(code.strip().replace(" ", ""))
        if len(text) == 6 and text.isdecimal() and factor_id is not None and sealed is not None:
            step = self._matching_step(factor_id, sealed, text)
            if step is None:
                return None
            used = await work.execute(sql.USE_STEP, step=step, tenant=work.tenant, id=factor_id)
            return "otp" if used.first() is not None else None
        burned = await work.execute(
            sql.BURN, tenant=work.tenant, user=user_id, hash=self._code_hash(user_id, text)
        )
        return "recovery_code" if burned.first() is not None else None

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

    async def _consume(self, work: UnitOfWork, challenge_id: UUID) -> bool:
        taken = await work.execute(
            "UPDATE identity.mfa_challenges SET consumed_at = now() WHERE tenant_id = :tenant "
            "AND id = :id AND consumed_at IS NULL AND expires_at > now() RETURNING id",
            tenant=work.tenant,
            id=challenge_id,
        )
        return taken.first() is not None

    async def _read_token(self, token: str) -> _Challenge:
        verifier = self._context.infra.security.token_verifier(self._context.get(KeyService))
        try:
            return await verifier.verify(token, MFA_TOKEN, _Challenge)
        except Unauthorized as error:
            raise InvalidMfaToken() from error

    async def _has_factor(self, work: UnitOfWork, principal: Principal) -> bool:
        found = await work.execute(
            "SELECT 1 FROM identity.mfa_factors WHERE tenant_id = :tenant AND user_id = :user "
            "AND kind = 'totp' AND confirmed_at IS NOT NULL",
            tenant=principal.tenant_id,
            user=principal.user_id,
        )
        return found.first() is not None

    async def _replace_codes(self, work: UnitOfWork, user_id: UUID, codes: list[str]) -> None:
        await work.execute(
            "DELETE FROM identity.mfa_recovery_codes WHERE tenant_id = :tenant AND user_id = :user",
            tenant=work.tenant,
            user=user_id,
        )
        await work.execute(
            "INSERT INTO identity.mfa_recovery_codes (tenant_id, user_id, code_hash) "
            "SELECT :tenant, :user, h FROM unnest(CAST(:hashes AS bytea[])) AS h",
            tenant=work.tenant,
            user=user_id,
            hashes=[self._code_hash(user_id, plain(code)) for code in codes],
        )

    async def _tell(self, work: UnitOfWork, user_id: UUID, kind: str) -> None:
        await record(work, user_id, kind)
        await tell_owner(work, user_id, kind)

    async def _limit(self, user_id: UUID) -> None:
        await self._context.infra.security.limiter.check("mfa", f"account:{user_id}", critical=True)

    async def _locked(self, work: UnitOfWork, user_id: UUID) -> MfaLocked:
        found = await work.execute(
            "SELECT extract(epoch FROM mfa_locked_until - now()) FROM identity.users "
            "WHERE tenant_id = :tenant AND id = :user",
            tenant=work.tenant,
            user=user_id,
        )
        left = found.scalar_one_or_none() or 0
        return MfaLocked(headers={"Retry-After": str(max(1, math.ceil(left)))})

    def _code_hash(self, user_id: UUID, code: str) -> bytes:
        return self._hash.digest(f"{user_id}:{plain(code)}")


def _place(factor_id: UUID) -> Place:
    return Place("identity", "mfa_factors", "secret_enc", str(factor_id))
