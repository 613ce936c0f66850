"""The page that links in mails open: /v1/auth/link. It acts on a press of its button only."""

from pathlib import Path
from typing import Any

from litestar import Controller, Request, Response, get
from litestar.params import FromPath

from flatrender.errors import NotFound
from flatrender.fonts import catalogue
from flatrender.http.assets import Assets

PAGES = Path(__file__).resolve().parent.parent / "pages"
_ASSETS = Assets(PAGES)
_TYPES = {"link.js": "text/javascript", "link.css": "text/css"}
_FONTS = {
    font.path.name: Assets(font.path.parent)
    for font in catalogue()
    if font.family in ("Vazirmatn", "Inter") and font.weight in (400, 500, 700)
}


def serve_font(request: Request[Any, Any, Any], name: str) -> Response[bytes | None] | None:
    """Answer with a bundled font of our pages, None when there is none of this name."""
    found = _FONTS.get(name)
    if found is None:
        return None
    return found.serve(request, name, "font/ttf", "public, max-age=86400")


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
        """Serve the page's script, style or a font; nothing outside of the list exists."""
        if (font := serve_font(request, name)) is not None:
            return font
        if name not in _TYPES:
            raise NotFound
        return _ASSETS.serve(request, name, _TYPES[name], "public, max-age=3600")
