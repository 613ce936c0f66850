"""The page that links in mails open: /v1/auth/link. It acts on a press of its button only."""

from pathlib import Path
from typing import Any

from litestar import Controller, Request, Response, get
from litestar.params import FromPath

from flatrender.errors import NotFound
from flatrender.http.assets import Assets

_ASSETS = Assets(Path(__file__).resolve().parent.parent / "pages")
_TYPES = {"link.js": "text/javascript", "link.css": "text/css"}


class LinkPageController(Controller):
    """Our own page for one-time links; a tenant may name its own."""

    path = "/v1/auth/link"
    opt = {"auth": "public"}  # noqa: RUF012 - Litestar reads it as a class attribute
    include_in_schema = False

    @get("/", sync_to_thread=False)
    def page(self, request: Request[Any, Any, Any]) -> Response[bytes | None]:
        """Serve the page: the same bytes for every link, the token never reaches us by GET."""
        return _ASSETS.serve(request, "link.html", "text/html", "no-cache")

    @get("/{name:str}", sync_to_thread=False)
    def file(self, request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes | None]:
        """Serve the page's script or style; nothing outside of the list exists."""
        if name not in _TYPES:
            raise NotFound
        return _ASSETS.serve(request, name, _TYPES[name], "public, max-age=3600")
