"""Small Litestar apps behind the whole HTTP layer, and a client that talks to them in-process."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
from asgi_lifespan import LifespanManager
from litestar import Litestar
from litestar.openapi.spec import Tag

from flatrender.clock import Clock
from flatrender.http.idempotency.store import IdempotencyStore
from flatrender.http.settings import HttpSettings
from flatrender.http.setup import HttpLayer


def make_app(
    handlers: Sequence[Any],
    settings: HttpSettings | None = None,
    *,
    tags: Sequence[Tag] = (),
    stores: Callable[[str], IdempotencyStore] | None = None,
    clock: Clock | None = None,
    middleware: Sequence[Any] = (),
) -> tuple[Litestar, HttpLayer]:
    """Return an app made as production makes it, and its layer; ``middleware`` comes first."""
    layer = HttpLayer(settings or HttpSettings(), tags=tags, stores=stores, clock=clock)
    app = Litestar(
        route_handlers=[*handlers, *layer.routes()],
        middleware=[*middleware, *layer.middleware()],
        lifespan=[layer.lifespan],
        logging_config=None,
        **layer.arguments(),
    )
    return layer.install(app), layer


@asynccontextmanager
async def client_of(app: Litestar, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run the app's lifespan and yield a client in the same event loop."""
    async with LifespanManager(cast("Any", app)):
        # Not the manager's own app: it gives every request one and the same state dict, in which
        # Litestar keeps the body, the parsed query and more of *a* request.
        transport = httpx.ASGITransport(
            cast("Any", app),
            client=options.pop("peer", ("127.0.0.1", 1)),
            raise_app_exceptions=options.pop("raise_app_exceptions", True),
        )
        async with httpx.AsyncClient(
            transport=transport, base_url="http://api.test", **options
        ) as client:
            yield client
