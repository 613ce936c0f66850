"""Sign-in providers of a tenant as its administrators set them up.

The secret is sealed for its row; a form that sends its mask back, or nothing, keeps it, but never
for another issuer: who changes where it is sent must know it.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import httpx
import msgspec
from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender.security.secrets import Place, Secret, keeps_stored, mask
from flatrender_identity.errors import OauthFailed, OauthUnavailable
from flatrender_identity.oidc import GOOGLE_ISSUER, ProviderDocument, is_scope
from flatrender_identity.services.audit import audit
from flatrender_identity.services.oidc_client import Client, OidcClient
from flatrender_identity.services.policies import is_page
from flatrender_identity.telegram import BOT_NAME, BOT_TOKEN, TELEGRAM_ISSUER

Driver = Literal["google", "oidc", "telegram"]

#: Words that mean something else right behind ``/v1/auth/``.
RESERVED = frozenset(
    {
        "csrf",
        "invitations",
        "link",
        "login",
        "logout",
        "mfa",
        "oauth",
        "page",
        "providers",
        "recovery",
        "refresh",
        "register",
        "verification",
    }
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_COLUMNS = """id, provider, driver, name_fa, name_en, client_id, client_secret_enc, issuer,
    discovery_url, scopes, return_urls, allow_signup, link_by_email, icon, position, enabled,
    tested_at, test_result, updated_at"""
_ONE = f"""
SELECT {_COLUMNS} FROM identity.oauth_config
WHERE tenant_id = $1 AND provider = $2
"""  # noqa: S608 - a constant
_PAGE = f"""
SELECT {_COLUMNS} FROM identity.oauth_config
WHERE tenant_id = $1 AND (enabled OR NOT $2)
ORDER BY position, provider LIMIT $3 OFFSET $4
"""  # noqa: S608 - a constant
_COUNT = """
SELECT count(*) FROM identity.oauth_config
WHERE tenant_id = $1 AND (enabled OR NOT $2)
"""
_ENSURE = """
INSERT INTO identity.oauth_config (id, tenant_id, provider) VALUES (:id, :tenant, :provider)
ON CONFLICT (tenant_id, provider) DO NOTHING
"""
_LOCK = f"""
SELECT {_COLUMNS} FROM identity.oauth_config
WHERE tenant_id = :tenant AND provider = :provider FOR UPDATE
"""  # noqa: S608 - a constant
_WRITE = """
UPDATE identity.oauth_config SET driver = :driver, name_fa = :name_fa, name_en = :name_en,
    client_id = :client_id, client_secret_enc = :secret, redirect_uri = :redirect_uri,
    issuer = :issuer, discovery_url = :discovery_url, scopes = CAST(:scopes AS text[]),
    return_urls = CAST(:return_urls AS text[]), allow_signup = :allow_signup,
    link_by_email = :link_by_email, icon = :icon, position = :position, enabled = :enabled,
    updated_by = :by, updated_at = now()
WHERE tenant_id = :tenant AND id = :id
"""
_TESTED = """
UPDATE identity.oauth_config SET tested_at = now(), test_result = CAST(:result AS jsonb)
WHERE tenant_id = :tenant AND id = :id
"""


class Provider(Struct, frozen=True):
    """A provider as stored."""

    id: UUID
    provider: str
    driver: str
    name_fa: str
    name_en: str
    client_id: str
    sealed: bytes | None
    issuer: str | None
    discovery_url: str | None
    scopes: list[str]
    return_urls: list[str]
    allow_signup: bool
    link_by_email: bool
    icon: str | None
    position: int
    enabled: bool
    tested_at: datetime | None
    test_result: Any
    updated_at: datetime


class Wanted(Struct, frozen=True, kw_only=True):
    """A provider as an administrator wants it."""

    driver: Driver
    name_fa: str
    name_en: str
    client_id: str
    client_secret: str
    issuer: str | None
    discovery_url: str | None
    scopes: list[str]
    return_urls: list[str]
    allow_signup: bool
    link_by_email: bool
    icon: str | None
    position: int
    enabled: bool


class ConnectionTest(Struct, frozen=True, kw_only=True):
    """What a test of the connection found. ``client``: whether the provider knows our id and
    secret, ``unknown`` where its answer does not say."""

    ok: bool
    issuer: str
    keys: int = 0
    client: Literal["accepted", "refused", "unknown"] = "unknown"
    problem: str = ""


class ProviderService:
    """Use cases of ``identity.oauth_config``."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._public = context.infra.settings.http.public_url.rstrip("/")
        self._loopback = context.infra.settings.security.allow_loopback

    def redirect_uri(self, provider: str) -> str:
        """Return where a provider sends browsers back: one address for each, so that no provider
        can pass its answer off as another's."""
        return f"{self._public}/v1/auth/{provider}/callback"

    async def one(self, tenant_id: UUID, provider: str) -> Provider:
        """Return a provider of the tenant. Raises ``NotFound``."""
        found = await self._db.reads.one(Provider, tenant_id, _ONE, tenant_id, provider)
        if found is None:
            raise NotFound()
        return found

    async def active(self, tenant_id: UUID, provider: str) -> Provider:
        """Return a provider that may be signed in with. Raises ``NotFound``."""
        found = await self.one(tenant_id, provider)
        if not found.enabled or not found.issuer:
            raise NotFound()
        return found

    async def page(
        self, tenant_id: UUID, page: PageParams, *, enabled_only: bool
    ) -> Page[Provider]:
        """Return one page of the tenant's providers, in the order that it set."""
        rows = await self._db.reads.all(
            Provider, tenant_id, _PAGE, tenant_id, enabled_only, page.limit, page.offset
        )
        total = await self._db.reads.value(tenant_id, _COUNT, tenant_id, enabled_only)
        return page.of(rows, int(total))

    def client(self, provider: Provider) -> Client:
        """Return who we are there, the secret opened."""
        secret = self._secret(provider)
        return Client(
            client_id=provider.client_id,
            secret=secret.reveal() if secret else "",
            redirect_uri=self.redirect_uri(provider.provider),
        )

    def masked(self, provider: Provider) -> str:
        """Return what may be shown of the secret."""
        secret = self._secret(provider)
        return secret.masked() if secret else ""

    async def document(self, provider: Provider, *, fresh: bool = False) -> ProviderDocument:
        """Return the provider's discovery document. Raises ``OauthUnavailable``."""
        client = self._context.get(OidcClient)
        return await client.discover(provider.issuer or "", provider.discovery_url, fresh=fresh)

    async def save(
        self, principal: Principal, name: str, wanted: Wanted, *, reason: str
    ) -> Provider:
        """Add or replace a provider and write down by whom, from what to what.

        Raises ``Invalid``.
        """
        if wanted.driver == "google":
            wanted = msgspec.structs.replace(wanted, issuer=GOOGLE_ISSUER, discovery_url=None)
        elif wanted.driver == "telegram":
            wanted = msgspec.structs.replace(wanted, issuer=TELEGRAM_ISSUER, scopes=[])
        errors = [*_faults(name, wanted, loopback=self._loopback), *await self._unreachable(wanted)]
        if errors:
            raise Invalid(errors=errors)
        tenant_id = principal.tenant_id
        async with self._db.unit_of_work(tenant_id) as work:
            new = await work.execute(_ENSURE, id=uuid7(), tenant=tenant_id, provider=name)
            row = (await work.execute(_LOCK, tenant=tenant_id, provider=name)).one()
            before = Provider(*row)
            sealed, changed = self._sealed(before, wanted)
            values = msgspec.to_builtins(wanted)
            del values["client_secret"]
            await work.execute(
                _WRITE,
                **values,
                secret=sealed,
                redirect_uri=self.redirect_uri(name),
                by=principal.user_id,
                tenant=tenant_id,
                id=before.id,
            )
            await audit(
                work,
                principal,
                action="oauth_provider.change",
                target_type="oauth_provider",
                target_id=before.id,
                before=None if new.rowcount else _shown(before),
                after={"provider": name, **values, "client_secret": changed},
                reason=reason,
            )
        return await self.one(tenant_id, name)

    async def test(self, principal: Principal, name: str) -> ConnectionTest:
        """Try what can be tried without a person: discovery, keys, and whether our id and secret
        are known. Kept with the provider and in the audit log. Raises ``NotFound``."""
        provider = await self.one(principal.tenant_id, name)
        result = await self._try(provider)
        told = msgspec.to_builtins(result)
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await work.execute(
                _TESTED,
                result=msgspec.json.encode(told).decode(),
                tenant=principal.tenant_id,
                id=provider.id,
            )
            await audit(
                work,
                principal,
                action="oauth_provider.test",
                target_type="oauth_provider",
                target_id=provider.id,
                after={"provider": name, **told},
            )
        return result

    async def _try(self, provider: Provider) -> ConnectionTest:
        if provider.driver == "telegram":
            # It stands on this module, and is needed here for its test alone.
            from flatrender_identity.services.telegram_client import TelegramClient

            return await self._context.get(TelegramClient).test(provider)
        client = self._context.get(OidcClient)
        issuer = provider.issuer or ""
        try:
            document = await self.document(provider, fresh=True)
            keys = len(await client.keys(document.jwks_uri))
        except OauthUnavailable as refusal:
            return ConnectionTest(ok=False, issuer=issuer, problem=refusal.reason)
        try:
            await client.exchange(
                document, self.client(provider), code="connection-test", verifier="x" * 43
            )
        except OauthUnavailable as refusal:
            return ConnectionTest(ok=False, issuer=issuer, keys=keys, problem=refusal.reason)
        except OauthFailed as refusal:
            # A provider looks at the client first: who is told that the code is bad was let in.
            if "invalid_grant" in refusal.reason:
                return ConnectionTest(ok=True, issuer=issuer, keys=keys, client="accepted")
            if "client" in refusal.reason or refusal.reason.endswith("401"):
                return ConnectionTest(
                    ok=False, issuer=issuer, keys=keys, client="refused", problem=refusal.reason
                )
        return ConnectionTest(ok=True, issuer=issuer, keys=keys)

    async def _unreachable(self, wanted: Wanted) -> list[FieldError]:
        """Refuse at once what the outbound door would refuse later."""
        found = []
        for name in ("issuer", "discovery_url"):
            url = getattr(wanted, name)
            if not url:
                continue
            try:
                door = self._context.infra.outbound
                await door.check_url(url, https_only=not self._loopback)
            except httpx.HTTPError:
                found.append(_fault(name, "url_refused", "این نشانی پذیرفته نیست", "Not accepted"))
        return found

    def _sealed(self, before: Provider, wanted: Wanted) -> tuple[bytes | None, str]:
        """Return the secret to store and the word for the log."""
        stored = self._secret(before)
        plain = stored.reveal() if stored else None
        moved = (before.issuer, before.discovery_url) != (wanted.issuer, wanted.discovery_url)
        if not keeps_stored(wanted.client_secret, plain):
            place = _place(before.id)
            if wanted.driver == "telegram" and not BOT_TOKEN.fullmatch(wanted.client_secret):
                raise Invalid(
                    errors=[
                        _fault(
                            "client_secret",
                            "token_invalid",
                            "توکن ربات نیست",
                            "Not a bot's token",
                        )
                    ]
                )
            text = self._context.infra.encryptor.encrypt(wanted.client_secret, place)
            return text.encode(), "changed"
        if plain and moved:
            raise Invalid(
                errors=[
                    _fault(
                        "client_secret",
                        "secret_needed",
                        "برای صادرکنندهٔ دیگر رمز را دوباره بدهید",
                        "Another issuer needs the secret anew",
                    )
                ]
            )
        return before.sealed, "kept"

    def _secret(self, provider: Provider) -> Secret | None:
        if provider.sealed is None:
            return None
        return self._context.infra.encryptor.decrypt(
            bytes(provider.sealed).decode(), _place(provider.id)
        )


def _place(row: UUID) -> Place:
    return Place("identity", "oauth_config", "client_secret_enc", row)


def _fault(name: str, code: str, fa: str, en: str) -> FieldError:
    return FieldError(pointer=f"/{name}", code=code, message_fa=fa, message_en=en)


def _faults(name: str, wanted: Wanted, *, loopback: bool) -> list[FieldError]:
    """Return what is wrong with a provider by itself."""
    found = []
    if name in RESERVED or not _NAME.fullmatch(name):
        found.append(
            _fault("provider", "name_refused", "این نام پذیرفته نیست", "Name not accepted")
        )
    for number, url in enumerate(wanted.return_urls):
        if not is_page(url, loopback=loopback):
            found.append(
                _fault(
                    f"return_urls/{number}",
                    "page_invalid",
                    "نشانی کامل یک صفحهٔ https بدون # لازم است",
                    "Needs the whole address of an https page, without a fragment",
                )
            )
    for number, scope in enumerate(wanted.scopes):
        if not is_scope(scope):
            found.append(
                _fault(f"scopes/{number}", "scope_invalid", "نام دسترسی نیست", "Not a scope")
            )
    if wanted.driver == "telegram" and not BOT_NAME.fullmatch(wanted.client_id):
        found.append(_fault("client_id", "bot_invalid", "نام ربات نیست", "Not a bot's user name"))
    if wanted.enabled:
        for field in ("client_id", "issuer", "return_urls"):
            if not getattr(wanted, field):
                found.append(
                    _fault(field, "required", "برای روشن کردن لازم است", "Needed to be enabled")
                )
    return found


def _shown(provider: Provider) -> Mapping[str, Any]:
    """Return a provider for the log: nothing of its secret but that there is one."""
    names = ("provider", *(name for name in Wanted.__struct_fields__ if name != "client_secret"))
    return {
        **{name: getattr(provider, name) for name in names},
        "client_secret": mask("x") if provider.sealed else "",
    }
