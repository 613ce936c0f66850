"""``/docs`` and ``/openapi.json``: the viewer from our own files, no other host involved.

The files under ``http/viewer`` are Swagger UI 5 (Apache-2.0, licence beside them) and a page of
our own. They are read once and kept in memory.
"""

from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, Router, get
from litestar.params import FromPath

from flatrender.errors import NotFound
from flatrender.http.assets import Assets, served, tag_of
from flatrender.http.openapi.document import openapi_document

_FOLDER = Path(__file__).resolve().parent.parent / "viewer"
_TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "viewer.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_ASSETS = Assets(_FOLDER)


@get("/docs", sync_to_thread=False, include_in_schema=False)
def docs_page(request: Request[Any, Any, Any]) -> Response[bytes | None]:
    """Serve the viewer's page."""
    return _ASSETS.serve(request, "index.html", "text/html", "no-cache")


@get("/docs/{name:str}", sync_to_thread=False, include_in_schema=False)
def docs_file(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes | None]:
    """Serve one of the viewer's files; nothing outside of the list exists."""
    if name not in _TYPES:
        raise NotFound
    return _ASSETS.serve(request, name, _TYPES[name], "public, max-age=3600")


def docs_router() -> Router:
    """Return the routes of one app; the document is made on first use and kept."""
    made: list[tuple[bytes, str]] = []

    @get("/openapi.json", sync_to_thread=False, include_in_schema=False)
    def openapi_json(request: Request[Any, Any, Any]) -> Response[bytes | None]:
        """Serve the OpenAPI document."""
        if not made:
            content = msgspec.json.encode(openapi_document(request.app))
            made.append((content, tag_of(content)))
        content, tag = made[0]
        return served(request, content, tag, "application/vnd.oai.openapi+json", "no-cache")

    return Router("/", route_handlers=[docs_page, docs_file, openapi_json], opt={"auth": "public"})
