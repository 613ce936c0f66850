"""The one place where the HTTP layer meets Litestar: the app's arguments and its outer layers.

``app.py`` composes::

    http = HttpLayer(settings.http, tags=..., stores=...)
    app = Litestar(route_handlers=[*controllers, *http.routes()], middleware=[auth,
                   *http.middleware()], **http.arguments())
    http.install(app)

Owns no route but the documentation viewer's.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypedDict

from litestar import Litestar, Router
from litestar.middleware import DefineMiddleware
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Tag

from flatrender.clock import Clock
from flatrender.http.body import ApiRequest, request_class
from flatrender.http.cursors import CursorSigner
from flatrender.http.drain import Drain, drained_by_signals
from flatrender.http.idempotency.middleware import IdempotencyMiddleware
from flatrender.http.idempotency.store import IdempotencyStore
from flatrender.http.middleware import EdgeMiddleware
from flatrender.http.openapi import openapi_config
from flatrender.http.openapi.viewer import docs_router
from flatrender.http.pages import PAGE_DEPENDENCIES
from flatrender.http.problems import exception_handlers
from flatrender.http.queries import QueryMiddleware
from flatrender.http.settings import HttpSettings

#: A form of ours has a handful of fields; files travel by presigned URL.
_FORM_PARTS = 64


class HttpArguments(TypedDict):
    """Keyword arguments for ``Litestar``."""

    exception_handlers: dict[Any, Any]
    request_class: type[ApiRequest]
    request_max_body_size: int
    multipart_form_part_limit: int
    openapi_config: OpenAPIConfig
    dependencies: dict[str, Any]
    debug: bool


class HttpLayer:
    """Everything of this package for one app.

    ``drain`` is what live streams watch, ``cursors`` signs the cursors of endless lists.
    ``stores`` gives each context's idempotency store by its name.
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        tags: Sequence[Tag] = (),
        stores: Callable[[str], IdempotencyStore] | None = None,
        clock: Clock | None = None,
        drain: Drain | None = None,
    ) -> None:
        self.settings = settings
        self.drain = drain or Drain()
        self.key = settings.cursor_key.encode() or secrets.token_bytes(32)
        self.cursors = CursorSigner(self.key)
        self._tags = tags
        self._stores = stores
        self._clock = clock

    def arguments(self) -> HttpArguments:
        """Return the arguments for ``Litestar``."""
        return HttpArguments(
            exception_handlers=dict(exception_handlers()),
            request_class=request_class(self.settings.json_depth),
            request_max_body_size=self.settings.body_limit_bytes,
            multipart_form_part_limit=_FORM_PARTS,
            openapi_config=openapi_config(self.settings, tags=self._tags),
            dependencies=dict(PAGE_DEPENDENCIES),
            debug=False,  # Litestar's debug answers carry tracebacks
        )

    def middleware(self) -> list[DefineMiddleware]:
        """Return what stands between authentication and the handlers."""
        if self._stores is None:
            return [DefineMiddleware(QueryMiddleware)]
        return [
            DefineMiddleware(QueryMiddleware),
            DefineMiddleware(
                IdempotencyMiddleware, stores=self._stores, key=self.key, clock=self._clock
            ),
        ]

    def routes(self) -> list[Router]:
        """Return the documentation's routes, none where it is turned off."""
        return [docs_router()] if self.settings.docs_enabled else []

    def install(self, app: Litestar) -> Litestar:
        """Put the outermost layer around ``app``; it sees unknown routes and crashes as well."""
        app.asgi_handler = EdgeMiddleware(
            app.asgi_handler,
            trusted_proxies=self.settings.trusted_proxies,
            cors_origins=self.settings.cors_origins,
            hsts_seconds=self.settings.hsts_seconds,
        )
        return app

    @asynccontextmanager
    async def lifespan(self, _app: Litestar) -> AsyncIterator[None]:
        """End live streams at the latest when the app's lifespan ends."""
        with drained_by_signals(self.drain):
            yield
        self.drain.begin()
