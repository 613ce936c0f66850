"""Sign-ins under way at a provider: begun once, taken once, by the browser that began.

Of state and cookie only keyed hashes are stored; the PKCE verifier is sealed for its row.
"""

import secrets
from typing import Literal
from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.http.context import client_address
from flatrender.plugin import PluginContext
from flatrender.security.secrets import Place, Secret
from flatrender_identity.errors import OauthStateInvalid
from flatrender_identity.services.security_log import inet

Delivery = Literal["fragment", "code"]

STATE_SECONDS = 600
_COOKIE_LENGTH = 43

_BEGIN = """
INSERT INTO identity.oauth_states (id, tenant_id, provider, state_hash, browser_hash, nonce,
    code_verifier_enc, return_to, delivery, link_user_id, ip, expires_at)
VALUES (:id, :tenant, :provider, :state, :browser, :nonce, :verifier, :return_to, :delivery,
    CAST(:link AS uuid), CAST(:ip AS inet), now() + make_interval(secs => :seconds))
"""
_TENANT = "SELECT tenant_id FROM identity.oauth_states WHERE id = $1"
_TAKE = """
UPDATE identity.oauth_states SET consumed_at = now()
WHERE tenant_id = :tenant AND id = :id AND state_hash = :state AND browser_hash = :browser
  AND provider = :provider AND consumed_at IS NULL AND expires_at > now()
RETURNING id, nonce, code_verifier_enc, return_to, delivery, link_user_id
"""


class BegunState(Struct, frozen=True, kw_only=True):
    """What a sign-in takes along: ``state``, ``nonce`` and the verifier's challenge to the
    provider, ``cookie`` to the browser."""

    state: str
    nonce: str
    verifier: str
    cookie: str


class TakenState(Struct, frozen=True, kw_only=True):
    """A sign-in that came back, used up."""

    tenant_id: UUID
    nonce: str
    verifier: Secret
    return_to: str
    delivery: str
    link_user_id: UUID | None


class OauthStateService:
    """Begins and takes rows of ``identity.oauth_states``."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._hash = context.infra.security.keyed_hash("oauth_state")
        self._encryptor = context.infra.encryptor

    async def begin(
        self,
        tenant_id: UUID,
        provider: str,
        *,
        page: str,
        delivery: Delivery,
        link_user: UUID | None,
        cookie: str | None,
    ) -> BegunState:
        """Write a sign-in down. A browser that has our cookie keeps it: two tabs share one."""
        state_id, secret, nonce = uuid7(), secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        verifier = secrets.token_urlsafe(48)
        known = cookie if cookie and len(cookie) == _COOKIE_LENGTH and cookie.isascii() else None
        browser = known or secrets.token_urlsafe(32)
        async with self._db.unit_of_work(tenant_id) as work:
            await work.execute(
                _BEGIN,
                id=state_id,
                tenant=tenant_id,
                provider=provider,
                state=self._digest("state", state_id, secret),
                browser=self._digest("browser", state_id, browser),
                nonce=nonce,
                verifier=self._encryptor.encrypt(verifier, _place(state_id)).encode(),
                return_to=page,
                delivery=delivery,
                link=link_user,
                ip=inet(client_address()),
                seconds=STATE_SECONDS,
            )
        return BegunState(
            state=f"{state_id.hex}.{secret}", nonce=nonce, verifier=verifier, cookie=browser
        )

    async def take(self, provider: str, state: str, cookie: str | None) -> TakenState:
        """Use a sign-in up: in time, once, at its own provider's address, in its own browser.

        Raises :class:`OauthStateInvalid`, the same for all.
        """
        text, _, secret = state.partition(".")
        try:
            state_id = UUID(hex=text) if len(text) == 32 else None
        except ValueError:
            state_id = None
        if state_id is None or not secret or not cookie:
            raise OauthStateInvalid()
        rows = await self._db.system_fetch("tenant of a sign-in", _TENANT, state_id)
        if not rows:
            raise OauthStateInvalid()
        tenant_id: UUID = rows[0]["tenant_id"]
        async with self._db.unit_of_work(tenant_id) as work:
            done = await work.execute(
                _TAKE,
                tenant=tenant_id,
                id=state_id,
                state=self._digest("state", state_id, secret),
                browser=self._digest("browser", state_id, cookie),
                provider=provider,
            )
            row = done.first()
        if row is None:
            raise OauthStateInvalid()
        sealed = bytes(row.code_verifier_enc).decode()
        return TakenState(
            tenant_id=tenant_id,
            nonce=row.nonce,
            verifier=self._encryptor.decrypt(sealed, _place(state_id)),
            return_to=row.return_to,
            delivery=row.delivery,
            link_user_id=row.link_user_id,
        )

    def _digest(self, kind: str, state_id: UUID, value: str) -> bytes:
        return self._hash.digest(f"{kind}\n{state_id.hex}\n{value}")


def _place(state_id: UUID) -> Place:
    return Place("identity", "oauth_states", "code_verifier_enc", state_id)
