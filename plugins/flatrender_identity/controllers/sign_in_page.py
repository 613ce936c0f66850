"""A page to try signing in with: /v1/auth/page, where ``http.development_pages`` is on.

A frontend of plain modules that speaks to the public interface like any other; it knows nothing
that a frontend elsewhere would not. Production refuses the setting, and the page is a 404 then.
"""

from typing import Any

from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from flatrender.errors import NotFound
from flatrender.http.assets import Assets
from flatrender.plugin import PluginContext
from flatrender_identity.controllers.pages import PAGES, serve_font

_FOLDER = PAGES / "sign_in"
_ASSETS = Assets(_FOLDER)
_KINDS = {".js": "text/javascript", ".css": "text/css"}
_TYPES = {path.name: _KINDS[path.suffix] for path in _FOLDER.iterdir() if path.suffix in _KINDS}


class DevelopmentPages:
    """Whether this process offers pages that are for development only."""

    def __init__(self, context: PluginContext) -> None:
        self._offered = context.infra.settings.http.development_pages

    def check(self) -> None:
        """Raise ``NotFound`` where they are off: the page is not there."""
        if not self._offered:
            raise NotFound


class SignInPageController(Controller):
    """The page, its modules and its fonts; nothing outside of the list exists."""

    path = "/v1/auth/page"
    opt = {"auth": "public"}  # noqa: RUF012 - Litestar reads it as a class attribute
    include_in_schema = False

    @get("/", sync_to_thread=False)
    def page(
        self,
        request: Request[Any, Any, Any],
        development_pages: NamedDependency[DevelopmentPages],
    ) -> Response[bytes | None]:
        """Serve the page."""
        development_pages.check()
        return _ASSETS.serve(request, "index.html", "text/html", "no-cache")

    @get("/{name:str}", sync_to_thread=False)
    def file(
        self,
        request: Request[Any, Any, Any],
        name: FromPath[str],
        development_pages: NamedDependency[DevelopmentPages],
    ) -> Response[bytes | None]:
        """Serve one of its modules, its style or a font."""
        development_pages.check()
        if (font := serve_font(request, name)) is not None:
            return font
        if name not in _TYPES:
            raise NotFound
        return _ASSETS.serve(request, name, _TYPES[name], "no-cache")
