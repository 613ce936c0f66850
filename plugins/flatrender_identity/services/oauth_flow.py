"""Signing in with a provider, step by step: off to it, back from it, and the one-time code.

A sign-in under way is good once, for ten minutes, for the provider that it was begun with and for
the browser that holds its cookie. What comes out of it travels in the fragment of a page that is
on the provider's list, and nowhere else.

Linking to an account that is there begins with its owner's proof and ends with its owner's own
call: a page that somebody else opens for them links nothing.
"""

from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.db import UnitOfWork
from flatrender.errors import DomainError
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.errors import (
    InvalidCode,
    InvalidLink,
    OauthDenied,
    OauthFailed,
    OauthUnavailable,
    ReturnNotAllowed,
)
from flatrender_identity.oidc import (
    Person,
    authorization_url,
    check_claims,
    check_sender,
    person_of,
)
from flatrender_identity.services.credentials import CredentialService
from flatrender_identity.services.oauth_accounts import OauthAccountService
from flatrender_identity.services.oauth_providers import Provider, ProviderService
from flatrender_identity.services.oauth_states import Delivery, OauthStateService, TakenState
from flatrender_identity.services.oidc_client import OidcClient
from flatrender_identity.services.one_time import OneTimeService
from flatrender_identity.services.sessions import Tokens
from flatrender_identity.services.sign_in import MfaPending, SignInService
from flatrender_identity.services.telegram_client import TelegramClient
from flatrender_identity.telegram import widget_url

log = structlog.get_logger(__name__)

Step = Literal["begin_link", "link", "sign_in"]


class Started(Struct, frozen=True):
    """Where to send the browser, and the cookie that binds the sign-in to it."""

    url: str
    cookie: str


class Answer(Struct, frozen=True, kw_only=True):
    """What came back on a provider's redirect; ``told`` is the whole query but its state."""

    code: str | None
    error: str | None
    iss: str | None
    told: Sequence[tuple[str, str]] = ()


class _Stepped(Struct, frozen=True):
    user_id: UUID
    data: dict[str, Any]


class OauthFlowService:
    """Use cases of signing in with a provider."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._public = context.infra.settings.http.public_url.rstrip("/")
        #: Whether the cookie goes over TLS only.
        self.cookie_secure = context.infra.settings.security.cookie_secure

    async def start(
        self,
        tenant_id: UUID,
        name: str,
        *,
        return_to: str | None,
        delivery: Delivery,
        cookie: str | None,
        link_user: UUID | None = None,
    ) -> Started:
        """Begin a sign-in. ``return_to`` None means the first page of the provider's list.

        Raises ``NotFound``, :class:`ReturnNotAllowed`, :class:`OauthUnavailable`.
        """
        providers = self._context.get(ProviderService)
        provider = await providers.active(tenant_id, name)
        page = _page(provider, return_to)
        telegram = provider.driver == "telegram"
        document = None if telegram else await providers.document(provider)
        begun = await self._context.get(OauthStateService).begin(
            tenant_id, name, page=page, delivery=delivery, link_user=link_user, cookie=cookie
        )
        if document is None:
            page = widget_url(
                self._public, provider=name, bot=provider.client_id, state=begun.state
            )
            return Started(page, begun.cookie)
        url = authorization_url(
            document,
            client_id=provider.client_id,
            redirect_uri=providers.redirect_uri(name),
            scopes=provider.scopes,
            state=begun.state,
            nonce=begun.nonce,
            verifier=begun.verifier,
        )
        return Started(url, begun.cookie)

    async def come_back(
        self, name: str, state: str, answer: Answer, *, cookie: str | None, user_agent: str
    ) -> str:
        """Finish what :meth:`start` began; returns the page to go to with its fragment: tokens, a
        second factor to show, a code, or ``error`` with a problem's code.

        Raises ``OauthStateInvalid``, :class:`ReturnNotAllowed`: there is no page to go to.
        """
        taken = await self._context.get(OauthStateService).take(name, state, cookie)
        provider = await self._context.get(ProviderService).one(taken.tenant_id, name)
        page = _page(provider, taken.return_to)  # it may have left the list meanwhile
        try:
            fragment = await self._finish(taken, provider, answer, user_agent)
        except DomainError as refusal:
            reason = getattr(refusal, "reason", "")
            log.warning("oauth_refused", provider=name, code=refusal.code, reason=reason)
            fragment = {"error": refusal.code}
        return f"{page}#{urlencode(fragment)}"

    async def redeem(
        self, code: str, *, user_agent: str, device: str | None, trusted: str | None = None
    ) -> Tokens | MfaPending:
        """Open the session that a one-time code stands for. Raises :class:`InvalidCode`."""
        tenant_id = await self._tenant_of(code)
        async with self._db.unit_of_work(tenant_id) as work:
            stepped = await self._burn(work, code, "sign_in")
        return await self._context.get(SignInService).by_provider(
            tenant_id, stepped.user_id, user_agent=user_agent, device=device, trusted=trusted
        )

    async def begin_link(
        self,
        principal: Principal,
        name: str,
        *,
        return_to: str | None,
        password: str | None,
    ) -> str:
        """Return the address at which the caller's browser begins to link; good once, for a
        minute. Raises what :meth:`CredentialService.prove` raises, ``NotFound``,
        :class:`ReturnNotAllowed`."""
        provider = await self._context.get(ProviderService).active(principal.tenant_id, name)
        page = _page(provider, return_to)
        account = await self._context.get(CredentialService).prove(principal, password)
        async with self._db.unit_of_work(principal.tenant_id) as work:
            code = await self._issue(
                work, "begin_link", account.id, {"provider": name, "return_to": page}
            )
        return f"{self._public}/v1/auth/{name}/start?{urlencode({'link': code})}"

    async def start_link(self, name: str, code: str, *, cookie: str | None) -> Started:
        """Begin what :meth:`begin_link` allowed. Raises :class:`InvalidCode` and what
        :meth:`start` raises."""
        tenant_id = await self._tenant_of(code)
        async with self._db.unit_of_work(tenant_id) as work:
            stepped = await self._burn(work, code, "begin_link")
            if stepped.data.get("provider") != name:
                raise InvalidCode()
        return await self.start(
            tenant_id,
            name,
            return_to=stepped.data["return_to"],
            delivery="code",
            cookie=cookie,
            link_user=stepped.user_id,
        )

    async def finish_link(self, principal: Principal, code: str) -> None:
        """Link what the caller has signed in to elsewhere, begun by the caller and nobody else.

        Raises :class:`InvalidCode`, :class:`IdentityTaken`.
        """
        tenant_id = await self._tenant_of(code)
        if tenant_id != principal.tenant_id:
            raise InvalidCode()
        async with self._db.unit_of_work(tenant_id) as work:
            stepped = await self._burn(work, code, "link")
            if stepped.user_id != principal.user_id:
                raise InvalidCode()
            person = msgspec.convert(stepped.data["person"], Person)
            await self._context.get(OauthAccountService).link(
                work, stepped.user_id, stepped.data["provider"], person, principal.session_id
            )

    async def _finish(
        self, taken: TakenState, provider: Provider, answer: Answer, user_agent: str
    ) -> dict[str, Any]:
        person = await self._person(taken, provider, answer)
        tenant_id = taken.tenant_id
        if taken.link_user_id is not None:
            told = {"provider": provider.provider, "person": msgspec.to_builtins(person)}
            async with self._db.unit_of_work(tenant_id) as work:
                return {"link_code": await self._issue(work, "link", taken.link_user_id, told)}
        user_id = await self._context.get(OauthAccountService).enter(
            tenant_id, provider, person, user_agent=user_agent
        )
        if taken.delivery == "code":
            async with self._db.unit_of_work(tenant_id) as work:
                return {"code": await self._issue(work, "sign_in", user_id, {})}
        outcome = await self._context.get(SignInService).by_provider(
            tenant_id, user_id, user_agent=user_agent
        )
        if isinstance(outcome, MfaPending):
            return {
                "mfa_required": "true",
                "mfa_token": outcome.mfa_token,
                "methods": ",".join(outcome.methods),
                "trust_days": outcome.trust_days,
            }
        return {
            "access_token": outcome.access_token,
            "refresh_token": outcome.refresh_token,
            "token_type": "Bearer",
            "expires_in": outcome.expires_in,
            "refresh_expires_in": outcome.refresh_expires_in,
        }

    async def _person(self, taken: TakenState, provider: Provider, answer: Answer) -> Person:
        """Return who signed in there; believes nothing that was not checked.

        Raises :class:`OauthDenied`, :class:`OauthFailed`, :class:`OauthUnavailable`.
        """
        if not provider.enabled or not provider.issuer:
            raise OauthUnavailable("the provider is switched off")
        if provider.driver == "telegram":
            return await self._context.get(TelegramClient).person(
                provider, taken.tenant_id, answer.told
            )
        providers, client = self._context.get(ProviderService), self._context.get(OidcClient)
        document = await providers.document(provider)
        check_sender(document, answer.iss)
        if answer.error is not None:
            raise OauthDenied() if answer.error == "access_denied" else OauthFailed("its error")
        if answer.code is None:
            raise OauthFailed("the answer has no code")
        grant = await client.exchange(
            document,
            providers.client(provider),
            code=answer.code,
            verifier=taken.verifier.reveal(),
        )
        claims = await client.claims(document, grant.id_token)
        check_claims(
            claims,
            issuer=document.issuer,
            client_id=provider.client_id,
            nonce=taken.nonce,
            now=self._context.clock.now().timestamp(),
        )
        if "email" not in claims:
            more = await client.userinfo(document, grant)
            if more.get("sub") == claims["sub"]:  # OpenID Connect Core section 5.3.2
                claims = {**more, **claims}
        return person_of(claims, document.issuer)

    async def _issue(
        self, work: UnitOfWork, step: Step, user_id: UUID, data: dict[str, Any]
    ) -> str:
        """Return a code for one step, good once for a minute."""
        token_id = uuid7()
        issued = await self._context.get(OneTimeService).issue(
            work,
            token_id=token_id,
            purpose="oauth_code",
            user_id=user_id,
            target=f"{step}:{token_id.hex}",  # of its own: two tabs void nothing of each other
            data={**data, "step": step},
        )
        if issued is None:
            raise RuntimeError("a fresh id is there already")
        return issued.token

    async def _tenant_of(self, code: str) -> UUID:
        try:
            return (await self._context.get(OneTimeService).by_token(code, "oauth_code")).tenant_id
        except InvalidLink:
            raise InvalidCode() from None

    async def _burn(self, work: UnitOfWork, code: str, step: Step) -> _Stepped:
        """Use a code up for the step that it was made for. Raises :class:`InvalidCode`."""
        one_time = self._context.get(OneTimeService)
        try:
            burned = await one_time.burn(work, await one_time.by_token(code, "oauth_code"))
        except InvalidLink:
            raise InvalidCode() from None
        if burned.data.get("step") != step or burned.user_id is None:
            raise InvalidCode()
        return _Stepped(burned.user_id, burned.data)


def _page(provider: Provider, wanted: str | None) -> str:
    """Return the page to go to: one of the provider's list, letter by letter.

    Raises :class:`ReturnNotAllowed`.
    """
    page = wanted if wanted is not None else next(iter(provider.return_urls), None)
    if page is None or page not in provider.return_urls:
        raise ReturnNotAllowed()
    return page
