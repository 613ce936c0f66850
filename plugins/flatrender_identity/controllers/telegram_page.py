"""The page with Telegram's own button: /v1/auth/telegram-widget. It holds nothing of ours."""

from typing import Any

from litestar import Controller, Request, Response, get

from flatrender.http.assets import PAGE_POLICY, Assets
from flatrender_identity.controllers.pages import PAGES

_ASSETS = Assets(PAGES)
#: The button is a script and a frame of Telegram's; on this page only, and from here nothing calls
#: us: a script of others must not speak with the cookies of whoever is signed in.
_POLICY = (
    PAGE_POLICY.replace("script-src 'self'", "script-src 'self' https://telegram.org").replace(
        "connect-src 'self'", "connect-src 'none'"
    )
    + "; frame-src https://oauth.telegram.org"
)


class TelegramPageController(Controller):
    """Where a sign-in with Telegram is sent: the button that sends the browser back to us."""

    path = "/v1/auth/telegram-widget"
    opt = {"auth": "public"}  # noqa: RUF012 - Litestar reads it as a class attribute
    include_in_schema = False

    @get("/", sync_to_thread=False)
    def page(self, request: Request[Any, Any, Any]) -> Response[bytes | None]:
        """Serve the page: the same bytes for every sign-in."""
        return _ASSETS.serve(request, "telegram.html", "text/html", "no-cache", policy=_POLICY)

    @get("/telegram.js", sync_to_thread=False)
    def script(self, request: Request[Any, Any, Any]) -> Response[bytes | None]:
        """Serve the page's script."""
        return _ASSETS.serve(request, "telegram.js", "text/javascript", "public, max-age=3600")
