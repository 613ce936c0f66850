"""Signing in and out: /v1/auth/*, and the keys that tokens are verified with."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from flatrender.http.problems import problem_responses
from flatrender.security.errors import CsrfTokenInvalid, ForeignOrigin, RateLimited
from flatrender.security.principal import Principal
from flatrender.security.tokens import Jwks, jwks
from flatrender_identity.controllers.answers import SessionAnswers
from flatrender_identity.errors import (
    AddressNotAllowed,
    InvalidCredentials,
    InvalidMfaCode,
    InvalidMfaToken,
    InvalidRefreshToken,
    MfaLocked,
)
from flatrender_identity.errors_mfa import InvalidPasskey
from flatrender_identity.schemas import (
    Accepted,
    BrowserAnswer,
    CsrfAnswer,
    LoginBody,
    MfaAnswer,
    PasswordChangeAnswer,
    RefreshBody,
    RegisterBody,
    TokenAnswer,
)
from flatrender_identity.schemas_access import email_address, mobile_address
from flatrender_identity.schemas_mfa import MfaVerifyBody
from flatrender_identity.services.accounts import AccountService
from flatrender_identity.services.keys import KeyService
from flatrender_identity.services.mfa import MfaService, Shown
from flatrender_identity.services.sessions import SessionService
from flatrender_identity.services.sign_in import SignInService


class AuthController(Controller):
    """Register, log in, refresh, log out."""

    path = "/v1/auth"
    tags = ("identity",)

    @post(
        "/register",
        status_code=202,
        operation_id="register",
        summary="Register by e-mail or mobile",
        opt={"auth": "public", "limit": "signup", "critical": True, "idempotent": True},
        responses=problem_responses(AddressNotAllowed, RateLimited),
    )
    async def register(
        self,
        data: JSONBody[RegisterBody],
        principal: NamedDependency[Principal],
        accounts: NamedDependency[AccountService],
    ) -> Accepted:
        """Make an account; a code to prove the address is on its way. The answer is the same
        whether the address was free or not."""
        address = (
            email_address(data.email)
            if data.email is not None
            else mobile_address(data.mobile or "")
        )
        await accounts.register(
            principal.tenant_id,
            address=address,
            password=data.password,
            display_name=data.display_name.strip(),
            locale=data.locale,
        )
        return Accepted()

    @post(
        "/login",
        status_code=200,
        operation_id="login",
        summary="Log in with a password",
        opt={"auth": "public", "critical": True},
        responses=problem_responses(InvalidCredentials, ForeignOrigin, RateLimited),
    )
    async def login(
        self,
        data: JSONBody[LoginBody],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        answers: NamedDependency[SessionAnswers],
        sign_ins: NamedDependency[SignInService],
    ) -> Response[TokenAnswer | BrowserAnswer | MfaAnswer | PasswordChangeAnswer]:
        """Open a session, or ask for the second factor where one is set up, or for another
        password where support has set this one. With `mode` `browser` the tokens are cookies and
        the answer holds a CSRF token."""
        answers.check(request, data.mode)
        outcome = await sign_ins.log_in(
            principal.tenant_id,
            identifier=data.address,
            password=data.password,
            user_agent=request.headers.get("user-agent", ""),
            device=data.device,
            device_token=data.device_token,
            trusted=answers.trusted(request, data.mode, data.trusted_device_token),
        )
        return await answers.logged_in(outcome, data.mode)

    @post(
        "/mfa/verify",
        status_code=200,
        operation_id="verify_mfa",
        summary="Finish a login by the second factor",
        opt={"auth": "public", "limit": "mfa", "critical": True},
        responses=problem_responses(
            InvalidMfaToken, InvalidMfaCode, InvalidPasskey, ForeignOrigin, MfaLocked, RateLimited
        ),
    )
    async def verify_mfa(
        self,
        data: JSONBody[MfaVerifyBody],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        answers: NamedDependency[SessionAnswers],
        mfa: NamedDependency[MfaService],
    ) -> Response[TokenAnswer | BrowserAnswer]:
        """Send a TOTP or recovery code, or a passkey, for a login that answered ``mfa_required``;
        `mode` as there. `trust_device` asks not to be asked again on this device for a while: the
        answer holds a token of it, or a cookie does."""
        answers.check(request, data.mode)
        tokens, trust = await mfa.finish_login(
            data.mfa_token,
            Shown(code=data.code or "", passkey=data.passkey),
            user_agent=request.headers.get("user-agent", ""),
            device=data.device,
            trust=data.trust_device,
        )
        return await answers.opened(tokens, data.mode, trust)

    @post(
        "/refresh",
        status_code=200,
        operation_id="refresh",
        summary="Renew the tokens of a session",
        opt={"auth": "public", "limit": "refresh", "critical": True},
        responses=problem_responses(
            InvalidRefreshToken, ForeignOrigin, CsrfTokenInvalid, RateLimited
        ),
    )
    async def refresh(
        self,
        data: JSONBody[RefreshBody],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        answers: NamedDependency[SessionAnswers],
        sessions: NamedDependency[SessionService],
    ) -> Response[TokenAnswer | BrowserAnswer]:
        """Rotate the refresh token, of the body or else of the cookies. One step behind is
        answered again for ten seconds; an older one ends the session."""
        if data.refresh_token is None:
            return await answers.refreshed_by_cookie(request)
        return await answers.opened(await sessions.refresh(data.refresh_token), "token")

    @get(
        "/csrf",
        operation_id="get_csrf_token",
        summary="CSRF token of the session in the cookies",
        opt={"auth": "public"},
        responses=problem_responses(InvalidRefreshToken, ForeignOrigin),
        sync_to_thread=False,
    )
    def csrf(
        self, request: Request[Any, Any, Any], answers: NamedDependency[SessionAnswers]
    ) -> CsrfAnswer:
        """Return it to a page that was loaded anew; foreign pages are refused."""
        return answers.csrf(request)

    @post(
        "/logout",
        status_code=204,
        operation_id="logout",
        summary="Log out of this session",
        opt={"mfa": "exempt"},
        responses=problem_responses(ForeignOrigin, CsrfTokenInvalid),
    )
    async def logout(
        self,
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        answers: NamedDependency[SessionAnswers],
        sessions: NamedDependency[SessionService],
    ) -> Response[None]:
        """End this session; the very next call with its token is refused. A browser's cookies
        are taken away."""
        await sessions.log_out(principal)
        return answers.ended(request)


class JwksController(Controller):
    """The public keys."""

    path = "/.well-known"
    tags = ("identity",)

    @get(
        "/jwks.json",
        operation_id="jwks",
        summary="Public keys of access tokens",
        opt={"auth": "public"},
    )
    async def read(self, keys: NamedDependency[KeyService]) -> Jwks:
        """Return the JWKS (RFC 7517): next, current and previous keys."""
        return jwks(await keys.verification_keys())
