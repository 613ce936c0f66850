"""Telegram as a provider: its signed answers taken once, its bot asked who it is."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import httpx
import msgspec
from msgspec import Struct

from flatrender.plugin import PluginContext
from flatrender_identity.errors import OauthFailed, OauthUnavailable
from flatrender_identity.oidc import Person
from flatrender_identity.services.oauth_providers import ConnectionTest, Provider, ProviderService
from flatrender_identity.telegram import (
    OLDEST_SECONDS,
    TELEGRAM_API,
    TELEGRAM_ISSUER,
    person_of_answer,
)

_TIMEOUT_SECONDS = 10.0
_MAX_BYTES = 1 << 16
#: Longer than an answer is good for, clocks apart.
_KEPT = timedelta(seconds=2 * OLDEST_SECONDS)
_USE = """
INSERT INTO identity.used_assertions (tenant_id, digest, expires_at)
VALUES (:tenant, :digest, now() + CAST(:kept AS interval))
ON CONFLICT DO NOTHING RETURNING digest
"""


class _Bot(Struct, frozen=True):
    username: str = ""


class _Told(Struct, frozen=True):
    ok: bool
    result: _Bot = _Bot()


class TelegramClient:
    """Speaks to Telegram for this process."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def person(
        self, provider: Provider, tenant_id: UUID, pairs: Sequence[tuple[str, str]]
    ) -> Person:
        """Return who signed in by an answer, which is used up by it. Raises
        :class:`OauthFailed`."""
        person = person_of_answer(
            pairs,
            token=self._token(provider),
            now=self._context.clock.now().timestamp(),
        )
        digest = hashlib.sha256(dict(pairs)["hash"].encode()).digest()
        async with self._context.db.unit_of_work(tenant_id) as work:
            used = await work.execute(_USE, tenant=work.tenant, digest=digest, kept=_KEPT)
            if used.first() is None:
                raise OauthFailed("telegram: this answer was used before")
        return person

    async def test(self, provider: Provider) -> ConnectionTest:
        """Ask the bot who it is; nobody signs in. The token goes in the path and nowhere else."""
        token = self._token(provider)
        base = (provider.discovery_url or TELEGRAM_API).rstrip("/")
        try:
            answer = await self._context.infra.outbound.request(
                "GET",
                f"{base}/bot{token}/getMe",
                purpose="telegram",
                timeout=_TIMEOUT_SECONDS,
                max_bytes=_MAX_BYTES,
            )
            told = msgspec.json.decode(answer.body, type=_Told)
        except (httpx.HTTPError, msgspec.DecodeError):
            return ConnectionTest(
                ok=False, issuer=TELEGRAM_ISSUER, problem="Telegram cannot be reached"
            )
        if not told.ok:
            return ConnectionTest(
                ok=False,
                issuer=TELEGRAM_ISSUER,
                client="refused",
                problem="Telegram does not know the token",
            )
        if told.result.username.lower() != provider.client_id.lower():
            return ConnectionTest(
                ok=False,
                issuer=TELEGRAM_ISSUER,
                client="refused",
                problem="the token is of another bot",
            )
        return ConnectionTest(ok=True, issuer=TELEGRAM_ISSUER, client="accepted")

    def _token(self, provider: Provider) -> str:
        token = self._context.get(ProviderService).client(provider).secret
        if not token:
            raise OauthUnavailable("the bot's token is missing")
        return token
