"""Signing in with a provider: /v1/auth/{provider}/start and /callback, and one-time codes."""

from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

from litestar import Controller, Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Redirect

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import ForeignOrigin, RateLimited, UnknownTenantKey
from flatrender.security.limits import define_limit
from flatrender.security.principal import Principal
from flatrender_identity.controllers.answers import SessionAnswers
from flatrender_identity.errors import (
    InvalidCode,
    OauthStateInvalid,
    OauthUnavailable,
    ReturnNotAllowed,
)
from flatrender_identity.schemas import BrowserAnswer, MfaAnswer, TokenAnswer
from flatrender_identity.schemas_oauth import ProviderOffer, RedeemBody
from flatrender_identity.services.directory import DirectoryService
from flatrender_identity.services.oauth_flow import Answer, OauthFlowService
from flatrender_identity.services.oauth_providers import ProviderService
from flatrender_identity.services.oauth_states import STATE_SECONDS
from flatrender_identity.telegram import FIELDS

#: By address of the caller.
_BEGIN = define_limit("oauth_start", 60, 600.0).name
_BACK = define_limit("oauth_callback", 60, 600.0).name
_REDEEM = define_limit("oauth_code", 60, 600.0).name

#: What providers add to their answer and we have no use for (RFC 6749 section 4.1.2: ignored).
_ANSWERED = (
    "scope",
    "authuser",
    "hd",
    "prompt",
    "session_state",
    "error_description",
    "error_uri",
    *("hash", *FIELDS),  # Telegram's answer, which the service reads whole
)
_HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer"}

TenantKey = Annotated[
    str | None,
    QueryParameter(
        max_length=128,
        description="The tenant's publishable key: a browser that is sent here sends no header.",
    ),
]
ReturnTo = Annotated[
    str | None,
    QueryParameter(
        max_length=500,
        description="A page of the provider's list, letter by letter; absent: the first of it.",
    ),
]
Deliver = Annotated[
    Literal["fragment", "code"],
    QueryParameter(
        description="Tokens in the fragment, or a code there for `POST /v1/auth/oauth/token`."
    ),
]
Word = Annotated[str | None, QueryParameter(max_length=4096)]
State = Annotated[str, QueryParameter(name="state", min_length=1, max_length=200)]


class OauthController(Controller):
    """Sign in with an account elsewhere."""

    path = "/v1/auth"
    tags = ("identity",)

    @get(
        "/providers",
        operation_id="list_sign_in_providers",
        summary="Providers to sign in with",
        opt={"auth": "public"},
    )
    async def offers(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        oauth_providers: NamedDependency[ProviderService],
    ) -> Page[ProviderOffer]:
        """Return the providers that the tenant has switched on, in its order."""
        found = await oauth_providers.page(principal.tenant_id, page_params, enabled_only=True)
        return Page(
            data=[
                ProviderOffer(
                    provider=one.provider,
                    name_fa=one.name_fa,
                    name_en=one.name_en,
                    icon=one.icon,
                    start_url=oauth_providers.redirect_uri(one.provider).removesuffix("callback")
                    + "start",
                )
                for one in found.data
            ],
            meta=found.meta,
        )

    @get(
        "/{provider:str}/start",
        status_code=302,
        operation_id="start_oauth",
        summary="Sign in with a provider",
        opt={"auth": "public", "limit": _BEGIN, "critical": True},
        responses=problem_responses(
            NotFound, ReturnNotAllowed, UnknownTenantKey, InvalidCode, OauthUnavailable, RateLimited
        ),
    )
    async def start(
        self,
        provider: FromPath[str],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        directory: NamedDependency[DirectoryService],
        oauth: NamedDependency[OauthFlowService],
        return_to: ReturnTo = None,
        delivery: Deliver = "fragment",
        tenant_key: TenantKey = None,
        link: Word = None,
    ) -> Redirect:
        """Send the browser to the provider, with a cookie that binds the sign-in to it for ten
        minutes. ``link`` is what beginning to link has answered; it says all the rest."""
        secure = oauth.cookie_secure
        cookie = request.cookies.get(cookie_name(secure))
        if link is not None:
            started = await oauth.start_link(provider, link, cookie=cookie)
        else:
            tenant_id = principal.tenant_id
            if tenant_key is not None:
                known = await directory.by_publishable_key(tenant_key)
                if known is None:
                    raise UnknownTenantKey()
                tenant_id = known
            started = await oauth.start(
                tenant_id, provider, return_to=return_to, delivery=delivery, cookie=cookie
            )
        bound = Cookie(
            key=cookie_name(secure),
            value=started.cookie,
            path="/",
            max_age=STATE_SECONDS,
            secure=secure,
            httponly=True,
            samesite="lax",  # it must come along when the provider sends the browser back
        )
        return Redirect(started.url, status_code=302, headers=_HEADERS, cookies=[bound])

    @get(
        "/{provider:str}/callback",
        status_code=302,
        operation_id="finish_oauth",
        summary="Come back from a provider",
        opt={"auth": "public", "limit": _BACK, "critical": True, "query": _ANSWERED},
        responses=problem_responses(OauthStateInvalid, ReturnNotAllowed, NotFound, RateLimited),
    )
    async def callback(
        self,
        provider: FromPath[str],
        begun: State,
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        oauth: NamedDependency[OauthFlowService],
        code: Word = None,
        error: Word = None,
        iss: Word = None,
    ) -> Redirect:
        """Send the browser to the page that the sign-in began with. Its fragment holds tokens, or
        ``mfa_required`` with ``mfa_token``, ``methods`` and ``trust_days``, or ``code``, or
        ``link_code``, or ``error`` (a problem's code)."""
        where = await oauth.come_back(
            provider,
            begun,
            Answer(code=code, error=error, iss=iss, told=_told(request)),
            cookie=request.cookies.get(cookie_name(oauth.cookie_secure)),
            user_agent=request.headers.get("user-agent", ""),
        )
        return Redirect(where, status_code=302, headers=_HEADERS)

    @post(
        "/oauth/token",
        status_code=200,
        operation_id="redeem_oauth_code",
        summary="Exchange the code of a sign-in",
        opt={"auth": "public", "limit": _REDEEM, "critical": True},
        responses=problem_responses(InvalidCode, ForeignOrigin, RateLimited),
    )
    async def redeem(
        self,
        data: JSONBody[RedeemBody],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        answers: NamedDependency[SessionAnswers],
        oauth: NamedDependency[OauthFlowService],
    ) -> Response[TokenAnswer | BrowserAnswer | MfaAnswer]:
        """Open the session of a sign-in that was begun with ``delivery=code``, or ask for the
        second factor; `mode` as in logging in. A code is good once, for a minute."""
        answers.check(request, data.mode)
        outcome = await oauth.redeem(
            data.code,
            user_agent=request.headers.get("user-agent", ""),
            device=data.device,
            trusted=answers.trusted(request, data.mode, data.trusted_device_token),
        )
        return await answers.signed_in(outcome, data.mode)


def _told(request: Request[Any, Any, Any]) -> list[tuple[str, str]]:
    """Return the query as it came but for its state: a name may be there twice."""
    pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return [(name, value) for name, value in pairs if name != "state"]


def cookie_name(secure: bool) -> str:
    """Return the cookie's name: no other host and no plain connection can set one with the
    prefix (RFC 6265bis section 4.1.3)."""
    return "__Host-fr_sign_in" if secure else "fr_sign_in"
