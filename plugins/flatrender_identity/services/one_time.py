"""One-time tokens: links and codes that prove who reads an address. Hashed, short-lived, good once.

A link's token names its row, so the row decides the tenant; only its keyed hash is stored. A code
has six digits: five tries a code, ten an hour for one address and purpose, each paid before the
code is looked at. Tokens travel in URL fragments only, and nothing is used up by a GET.
"""

import secrets
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.db import UnitOfWork
from flatrender.http.context import client_address
from flatrender.plugin import PluginContext
from flatrender.security.limits import define_limit
from flatrender_identity.addresses import Address
from flatrender_identity.errors import InvalidCode, InvalidLink
from flatrender_identity.services.codes import ascii_digits
from flatrender_identity.services.security_log import inet

Purpose = Literal[
    "verify_email",
    "verify_mobile",
    "change_email",
    "change_mobile",
    "reset_password",
    "magic_link",
    "invitation",
    "delete_account",
    "oauth_code",
    "change_password",
]

#: How long a token of a purpose lives.
LIVES: dict[str, timedelta] = {
    "verify_email": timedelta(hours=24),
    "verify_mobile": timedelta(minutes=10),
    "change_email": timedelta(hours=1),
    "change_mobile": timedelta(minutes=10),
    "reset_password": timedelta(minutes=30),
    "magic_link": timedelta(minutes=15),
    "invitation": timedelta(days=7),
    "delete_account": timedelta(days=30),
    "oauth_code": timedelta(seconds=60),
    "change_password": timedelta(minutes=15),
}
CODE_GUESS = define_limit("code_guess", 10, 3_600.0).name
_PREFIX = "fo1"

_INSERT = """
INSERT INTO identity.one_time_tokens (id, tenant_id, user_id, purpose, target, token_hash,
    code_hash, data, created_ip, expires_at)
VALUES (:id, :tenant, :user, :purpose, :target, :token, :code, CAST(:data AS jsonb),
    CAST(:ip AS inet), now() + CAST(:life AS interval))
ON CONFLICT DO NOTHING RETURNING id
"""
_SUPERSEDE = """
UPDATE identity.one_time_tokens SET consumed_at = now()
WHERE tenant_id = :tenant AND target = :target AND purpose = :purpose AND id <> :id
  AND consumed_at IS NULL AND user_id IS NOT DISTINCT FROM CAST(:user AS uuid)
"""
_TENANT = "SELECT tenant_id FROM identity.one_time_tokens WHERE id = $1"
_BURN_LINK = """
UPDATE identity.one_time_tokens SET consumed_at = now()
WHERE tenant_id = :tenant AND id = :id AND token_hash = :hash
  AND purpose = ANY (CAST(:purposes AS text[])) AND consumed_at IS NULL AND expires_at > now()
RETURNING id, user_id, purpose, target, data
"""
_TRY_CODE = """
UPDATE identity.one_time_tokens SET attempts = attempts + 1
WHERE id = (SELECT id FROM identity.one_time_tokens
            WHERE tenant_id = :tenant AND target = :target AND purpose = :purpose
              AND (CAST(:user AS uuid) IS NULL OR user_id = CAST(:user AS uuid))
              AND code_hash IS NOT NULL AND consumed_at IS NULL AND expires_at > now()
            ORDER BY created_at DESC, id DESC LIMIT 1)
  AND tenant_id = :tenant AND attempts < max_attempts
RETURNING id
"""
_BURN_CODE = """
UPDATE identity.one_time_tokens SET consumed_at = now()
WHERE tenant_id = :tenant AND id = :id AND code_hash = :hash
  AND consumed_at IS NULL AND expires_at > now()
RETURNING id, user_id, purpose, target, data
"""


class Issued(Struct, frozen=True, kw_only=True):
    """A token on its way to its reader; neither half is stored."""

    token: str
    code: str


class Burned(Struct, frozen=True, kw_only=True):
    """What a used-up token stood for. ``target`` is the address it was sent to."""

    user_id: UUID | None
    purpose: str
    target: str
    data: dict[str, Any]


class Proof(Struct, frozen=True, kw_only=True):
    """Half-checked evidence: burn it inside the act's own transaction."""

    tenant_id: UUID
    token_id: UUID
    digest: bytes
    by_code: bool
    purposes: tuple[str, ...]


class OneTimeService:
    """Issues tokens and burns them."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._hash = context.infra.security.keyed_hash("one_time_token")

    async def issue(
        self,
        work: UnitOfWork,
        *,
        token_id: UUID,
        purpose: Purpose,
        user_id: UUID | None,
        target: str,
        data: dict[str, Any] | None = None,
    ) -> Issued | None:
        """Make a token and void the earlier ones of its kind; None when ``token_id`` exists
        already (a task that runs twice)."""
        secret, code = secrets.token_urlsafe(32), f"{secrets.randbelow(1_000_000):06d}"
        made = await work.execute(
            _INSERT,
            id=token_id,
            tenant=work.tenant,
            user=user_id,
            purpose=purpose,
            target=target,
            token=self._token_hash(token_id, secret),
            code=self._code_hash(token_id, code),
            data=msgspec.json.encode(data or {}).decode(),
            ip=inet(client_address()),
            life=LIVES[purpose],
        )
        if made.first() is None:
            return None
        await work.execute(
            _SUPERSEDE,
            tenant=work.tenant,
            target=target,
            purpose=purpose,
            id=token_id,
            user=user_id,
        )
        return Issued(token=f"{_PREFIX}.{token_id.hex}.{secret}", code=code)

    async def by_token(self, token: str, *purposes: Purpose) -> Proof:
        """Read a link's token. Raises :class:`InvalidLink`."""
        prefix, _, rest = token.partition(".")
        name, _, secret = rest.partition(".")
        if prefix != _PREFIX or len(name) != 32 or not secret or len(secret) > 100:
            raise InvalidLink()
        try:
            token_id = UUID(hex=name)
        except ValueError:
            raise InvalidLink() from None
        rows = await self._db.system_fetch("tenant of a link", _TENANT, token_id)
        if not rows:
            raise InvalidLink()
        return Proof(
            tenant_id=rows[0]["tenant_id"],
            token_id=token_id,
            digest=self._token_hash(token_id, secret),
            by_code=False,
            purposes=purposes,
        )

    async def by_code(
        self,
        tenant_id: UUID,
        target: Address | None,
        code: str,
        purpose: Purpose,
        *,
        user_id: UUID | None = None,
    ) -> Proof:
        """Pay for a try of the newest code that was sent to ``target`` and read it; the same for
        an address that nothing was sent to. ``user_id`` demands that it was asked for by them.

        Raises :class:`InvalidCode` and ``RateLimited``.
        """
        party = f"{purpose}:{tenant_id}:{target.value if target else ''}"
        await self._context.infra.security.limiter.check(CODE_GUESS, party, critical=True)
        plain = ascii_digits(code.strip().replace(" ", ""))
        async with self._db.unit_of_work(tenant_id) as work:
            tried = await work.execute(
                _TRY_CODE,
                tenant=tenant_id,
                target=target.value if target else "",
                purpose=purpose,
                user=user_id,
            )
            token_id: UUID | None = tried.scalar_one_or_none()
        if token_id is None:
            raise InvalidCode()
        return Proof(
            tenant_id=tenant_id,
            token_id=token_id,
            digest=self._code_hash(token_id, plain),
            by_code=True,
            purposes=(purpose,),
        )

    async def burn(self, work: UnitOfWork, proof: Proof) -> Burned:
        """Use the token up inside ``work``: a refusal later in the act gives it back.

        Raises :class:`InvalidLink` or :class:`InvalidCode`.
        """
        if proof.by_code:
            done = await work.execute(
                _BURN_CODE, tenant=proof.tenant_id, id=proof.token_id, hash=proof.digest
            )
        else:
            done = await work.execute(
                _BURN_LINK,
                tenant=proof.tenant_id,
                id=proof.token_id,
                hash=proof.digest,
                purposes=list(proof.purposes),
            )
        row = done.first()
        if row is None:
            raise InvalidCode() if proof.by_code else InvalidLink()
        return Burned(user_id=row.user_id, purpose=row.purpose, target=row.target, data=row.data)

    def _token_hash(self, token_id: UUID, secret: str) -> bytes:
        return self._hash.digest(f"token\n{token_id.hex}\n{secret}")

    def _code_hash(self, token_id: UUID, code: str) -> bytes:
        return self._hash.digest(f"code\n{token_id.hex}\n{code}")
