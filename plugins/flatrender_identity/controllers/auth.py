"""Signing in and out: /v1/auth/*, and the keys that tokens are verified with."""

from typing import Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from flatrender.http.problems import problem_responses
from flatrender.security.errors import RateLimited
from flatrender.security.principal import Principal
from flatrender.security.tokens import Jwks, jwks
from flatrender_identity.errors import (
    AddressNotAllowed,
    InvalidCredentials,
    InvalidMfaCode,
    InvalidMfaToken,
    InvalidRefreshToken,
    MfaLocked,
)
from flatrender_identity.schemas import (
    Accepted,
    LoginBody,
    MfaAnswer,
    MfaVerifyBody,
    RefreshBody,
    RegisterBody,
    TokenAnswer,
)
from flatrender_identity.schemas_access import email_address, mobile_address
from flatrender_identity.services.accounts import AccountService
from flatrender_identity.services.keys import KeyService
from flatrender_identity.services.mfa import MfaService
from flatrender_identity.services.sessions import SessionService, Tokens
from flatrender_identity.services.sign_in import MfaPending, SignInService


async def answer_of(accounts: AccountService, tokens: Tokens) -> TokenAnswer:
    """Return the tokens together with the user they belong to."""
    user = await accounts.me(tokens.tenant_id, tokens.user_id)
    return TokenAnswer(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        device_token=accounts.devices.token(
            tokens.tenant_id, user.email or user.mobile or "", tokens.session_id
        ),
        expires_in=tokens.expires_in,
        refresh_expires_in=tokens.refresh_expires_in,
        user=user,
    )


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
        responses=problem_responses(InvalidCredentials, RateLimited),
    )
    async def login(
        self,
        data: JSONBody[LoginBody],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        accounts: NamedDependency[AccountService],
        sign_ins: NamedDependency[SignInService],
    ) -> TokenAnswer | MfaAnswer:
        """Open a session, or ask for the second factor where one is set up."""
        outcome = await sign_ins.log_in(
            principal.tenant_id,
            identifier=data.address,
            password=data.password,
            user_agent=request.headers.get("user-agent", ""),
            device=data.device,
            device_token=data.device_token,
        )
        if isinstance(outcome, MfaPending):
            return MfaAnswer(mfa_token=outcome.mfa_token, methods=outcome.methods)
        return await answer_of(accounts, outcome)

    @post(
        "/mfa/verify",
        status_code=200,
        operation_id="verify_mfa",
        summary="Finish a login by the second factor",
        opt={"auth": "public", "limit": "mfa", "critical": True},
        responses=problem_responses(InvalidMfaToken, InvalidMfaCode, MfaLocked, RateLimited),
    )
    async def verify_mfa(
        self,
        data: JSONBody[MfaVerifyBody],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        accounts: NamedDependency[AccountService],
        mfa: NamedDependency[MfaService],
    ) -> TokenAnswer:
        """Send a TOTP or recovery code for a login that answered ``mfa_required``."""
        tokens = await mfa.finish_login(
            data.mfa_token,
            data.code,
            user_agent=request.headers.get("user-agent", ""),
            device=data.device,
        )
        return await answer_of(accounts, tokens)

    @post(
        "/refresh",
        status_code=200,
        operation_id="refresh",
        summary="Renew the tokens of a session",
        opt={"auth": "public", "limit": "refresh", "critical": True},
        responses=problem_responses(InvalidRefreshToken, RateLimited),
    )
    async def refresh(
        self,
        data: JSONBody[RefreshBody],
        principal: NamedDependency[Principal],
        accounts: NamedDependency[AccountService],
        sessions: NamedDependency[SessionService],
    ) -> TokenAnswer:
        """Rotate the refresh token. One step behind is answered again for ten seconds; an older
        one ends the session."""
        tokens = await sessions.refresh(data.refresh_token)
        return await answer_of(accounts, tokens)

    @post(
        "/logout",
        status_code=204,
        operation_id="logout",
        summary="Log out of this session",
        opt={"mfa": "exempt"},
    )
    async def logout(
        self,
        principal: NamedDependency[Principal],
        sessions: NamedDependency[SessionService],
    ) -> None:
        """End this session; the very next call with its token is refused."""
        await sessions.log_out(principal)


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
