"""Signing in by passkey: /v1/auth/passkey, and /v1/auth/mfa/passkey as second factor."""

from typing import Any

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from flatrender.http.problems import problem_responses
from flatrender.security.errors import ForeignOrigin, RateLimited
from flatrender.security.limits import define_limit
from flatrender.security.principal import Principal
from flatrender_identity.controllers.answers import SessionAnswers
from flatrender_identity.errors import InvalidMfaToken, MfaLocked
from flatrender_identity.errors_mfa import InvalidPasskey
from flatrender_identity.schemas import BrowserAnswer, TokenAnswer
from flatrender_identity.schemas_mfa import MfaTokenBody, PasskeyRequest, PasskeySignInBody
from flatrender_identity.services.mfa import MfaService
from flatrender_identity.services.passkey_sign_in import BegunSignIn, PasskeySignInService

#: By address of the caller: asking writes a row, and pages ask when they are opened.
_ASK = define_limit("passkey_options", 60, 300.0).name
_SHOW = define_limit("passkey_sign_in", 20, 300.0).name


class PasskeySignInController(Controller):
    """Sign in by passkey."""

    path = "/v1/auth"
    tags = ("identity",)

    @post(
        "/passkey/options",
        status_code=200,
        operation_id="begin_passkey_sign_in",
        summary="Begin to sign in by passkey",
        opt={"auth": "public", "limit": _ASK, "critical": True},
        responses=problem_responses(RateLimited),
    )
    async def begin(
        self,
        principal: NamedDependency[Principal],
        passkey_sign_ins: NamedDependency[PasskeySignInService],
    ) -> BegunSignIn:
        """Return the options for `navigator.credentials.get`, good for five minutes. Nobody is
        named: the browser offers the passkeys that it has."""
        return await passkey_sign_ins.begin(principal.tenant_id)

    @post(
        "/passkey/verify",
        status_code=200,
        operation_id="sign_in_by_passkey",
        summary="Sign in by passkey",
        opt={"auth": "public", "limit": _SHOW, "critical": True},
        responses=problem_responses(InvalidPasskey, ForeignOrigin, MfaLocked, RateLimited),
    )
    async def finish(
        self,
        data: JSONBody[PasskeySignInBody],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        answers: NamedDependency[SessionAnswers],
        passkey_sign_ins: NamedDependency[PasskeySignInService],
    ) -> Response[TokenAnswer | BrowserAnswer]:
        """Open a session of the passkey's owner; no second factor is asked for. `passkey` is
        `credential.toJSON()`; `mode` as in logging in."""
        answers.check(request, data.mode)
        tokens = await passkey_sign_ins.finish(
            principal.tenant_id,
            data.challenge_id,
            data.passkey,
            user_agent=request.headers.get("user-agent", ""),
            device=data.device,
        )
        return await answers.opened(tokens, data.mode)

    @post(
        "/mfa/passkey/options",
        status_code=200,
        operation_id="begin_mfa_passkey",
        summary="Ask for a passkey as second factor",
        opt={"auth": "public", "limit": _ASK, "critical": True},
        responses=problem_responses(InvalidMfaToken, RateLimited),
    )
    async def second_factor(
        self,
        data: JSONBody[MfaTokenBody],
        principal: NamedDependency[Principal],
        mfa: NamedDependency[MfaService],
    ) -> PasskeyRequest:
        """Return the options for `navigator.credentials.get` for a login that answered
        `mfa_required`; the answer goes to `/v1/auth/mfa/verify`. Asking again voids the earlier
        options."""
        return PasskeyRequest(await mfa.ask_passkey(data.mfa_token))
