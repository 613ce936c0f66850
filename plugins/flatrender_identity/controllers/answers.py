"""How an open session is answered: tokens in the body, or cookies that no script reads."""

from typing import Any

from litestar import Request, Response
from litestar.datastructures import Cookie
from msgspec import structs

from flatrender.plugin import PluginContext
from flatrender.security.cookies import is_cookie_call
from flatrender_identity.errors import InvalidRefreshToken
from flatrender_identity.schemas import (
    BrowserAnswer,
    BrowserConfirmedAnswer,
    ConfirmedAnswer,
    CsrfAnswer,
    MfaAnswer,
    PasswordChangeAnswer,
    SessionMode,
    TokenAnswer,
)
from flatrender_identity.schemas_mfa import BrowserPasskeyAnswer, PasskeyAnswer
from flatrender_identity.services.accounts import AccountService
from flatrender_identity.services.passkeys import ConfirmedPasskey
from flatrender_identity.services.sessions import SessionService, Tokens
from flatrender_identity.services.sign_in import MfaPending, PasswordChangePending
from flatrender_identity.services.trusted_devices import Trust

Call = Request[Any, Any, Any]

#: The cookie of a trusted device.
TRUSTED = "fr_trusted"


class SessionAnswers:
    """Answers of every handler that opens, renews or ends a session."""

    def __init__(self, context: PluginContext) -> None:
        self._accounts = context.get(AccountService)
        self._sessions = context.get(SessionService)
        self._browser = context.infra.security.browser

    def check(self, request: Call, mode: SessionMode) -> None:
        """Refuse to begin a browser's session for a foreign page: it would sign its visitors in
        to an account of its own. Raises ``ForeignOrigin``."""
        if mode == "browser":
            self._browser.check_origin(request.scope)

    async def logged_in(
        self, outcome: Tokens | MfaPending | PasswordChangePending, mode: SessionMode
    ) -> Response[TokenAnswer | BrowserAnswer | MfaAnswer | PasswordChangeAnswer]:
        """Return what a password came to: as :meth:`signed_in`, or the question for another."""
        if isinstance(outcome, PasswordChangePending):
            return Response(
                PasswordChangeAnswer(token=outcome.token, expires_in=outcome.expires_in)
            )
        answer: Response[Any] = await self.signed_in(outcome, mode)
        return answer

    async def signed_in(
        self, outcome: Tokens | MfaPending, mode: SessionMode
    ) -> Response[TokenAnswer | BrowserAnswer | MfaAnswer]:
        """Return what signing in came to: a session, or the question for the second factor."""
        if isinstance(outcome, MfaPending):
            return Response(
                MfaAnswer(
                    mfa_token=outcome.mfa_token,
                    methods=outcome.methods,
                    trust_days=outcome.trust_days,
                )
            )
        return Response(await self._held(outcome, mode), cookies=self._cookies(outcome, mode))

    def trusted(self, request: Call, mode: SessionMode, token: str | None) -> str | None:
        """Return the token of a trusted device, as the client's mode has it travel."""
        return self._browser.kept(request.scope, TRUSTED) if mode == "browser" else token

    async def opened(
        self, tokens: Tokens, mode: SessionMode, trust: Trust | None = None
    ) -> Response[TokenAnswer | BrowserAnswer]:
        """Return the tokens with the user they belong to, in the mode that the client chose;
        ``trust``: the device is trusted from now on."""
        held, cookies = await self._held(tokens, mode), self._cookies(tokens, mode)
        if trust is not None and isinstance(held, TokenAnswer):
            held = structs.replace(held, trusted_device_token=trust.token)
        elif trust is not None:
            cookies.append(self._browser.keep(TRUSTED, trust.token, trust.seconds))
        return Response(held, cookies=cookies)

    async def replaced(
        self, request: Call, tokens: Tokens
    ) -> Response[TokenAnswer | BrowserAnswer]:
        """Return the tokens that follow those of this call, the way those came."""
        return await self.opened(tokens, "browser" if is_cookie_call(request.scope) else "token")

    async def confirmed(
        self, request: Call, tokens: Tokens, codes: list[str]
    ) -> Response[ConfirmedAnswer | BrowserConfirmedAnswer]:
        """Return recovery codes with the tokens that have the factor in."""
        user = await self._accounts.me(tokens.tenant_id, tokens.user_id)
        if is_cookie_call(request.scope):
            held = BrowserConfirmedAnswer(
                recovery_codes=codes,
                csrf_token=self._browser.csrf_token(tokens.session_id),
                expires_in=tokens.expires_in,
                refresh_expires_in=tokens.refresh_expires_in,
                user=user,
            )
            return Response(held, cookies=self._cookies(tokens, "browser"))
        return Response(
            ConfirmedAnswer(
                recovery_codes=codes,
                access_token=tokens.access_token,
                refresh_token=tokens.refresh_token,
                expires_in=tokens.expires_in,
                refresh_expires_in=tokens.refresh_expires_in,
                user=user,
            )
        )

    async def passkey(
        self, request: Call, made: ConfirmedPasskey
    ) -> Response[PasskeyAnswer | BrowserPasskeyAnswer]:
        """Return a new passkey with the tokens that have it in."""
        answer = await self.confirmed(request, made.tokens, made.recovery_codes)
        browser = isinstance(answer.content, BrowserConfirmedAnswer)
        kind = BrowserPasskeyAnswer if browser else PasskeyAnswer
        held = kind(passkey=made.passkey, **structs.asdict(answer.content))
        return Response(held, cookies=answer.cookies)

    async def refreshed_by_cookie(self, request: Call) -> Response[TokenAnswer | BrowserAnswer]:
        """Rotate the refresh token in the cookies; one that is over is taken away.

        Raises ``ForeignOrigin``, ``CsrfTokenInvalid`` and :class:`InvalidRefreshToken`.
        """
        token = self._browser.refresh_token(request.scope)
        if token is None:
            raise InvalidRefreshToken()
        self._browser.check_origin(request.scope)
        session_id = self._sessions.session_of(token)
        if session_id is not None:
            self._browser.check_csrf(request.scope, session_id)
        try:
            tokens = await self._sessions.refresh(token)
        except InvalidRefreshToken as over:
            over.cookies = [*self._browser.cleared()]
            raise
        return await self.opened(tokens, "browser")

    def csrf(self, request: Call) -> CsrfAnswer:
        """Return the CSRF token of the session in the cookies, for a page that was loaded anew.

        Raises ``ForeignOrigin`` and :class:`InvalidRefreshToken`.
        """
        token = self._browser.refresh_token(request.scope)
        self._browser.check_origin(request.scope)
        session_id = self._sessions.session_of(token) if token else None
        if session_id is None:
            raise InvalidRefreshToken()
        return CsrfAnswer(csrf_token=self._browser.csrf_token(session_id))

    def ended(self, request: Call) -> Response[None]:
        """Return nothing, and take the cookies away where they carried the session."""
        by_cookie = is_cookie_call(request.scope)
        return Response(None, cookies=self._browser.cleared() if by_cookie else None)

    async def _held(self, tokens: Tokens, mode: SessionMode) -> TokenAnswer | BrowserAnswer:
        user = await self._accounts.me(tokens.tenant_id, tokens.user_id)
        device_token = ""
        if not tokens.by_support:  # support's device is none of its owner's
            device_token = self._accounts.devices.token(
                tokens.tenant_id, user.email or user.mobile or "", tokens.session_id
            )
        if mode == "browser":
            return BrowserAnswer(
                csrf_token=self._browser.csrf_token(tokens.session_id),
                device_token=device_token,
                expires_in=tokens.expires_in,
                refresh_expires_in=tokens.refresh_expires_in,
                user=user,
            )
        return TokenAnswer(
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            device_token=device_token,
            expires_in=tokens.expires_in,
            refresh_expires_in=tokens.refresh_expires_in,
            user=user,
        )

    def _cookies(self, tokens: Tokens, mode: SessionMode) -> list[Cookie]:
        if mode == "token":
            return []
        return self._browser.cookies(
            access=tokens.access_token,
            access_seconds=tokens.expires_in,
            refresh=tokens.refresh_token,
            refresh_seconds=tokens.refresh_expires_in,
        )
