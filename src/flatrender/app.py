"""The application: contexts, the HTTP layer and authentication composed into one Litestar app."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from litestar import Litestar, Router
from litestar.openapi.spec import Tag

from flatrender.http.drain import Drain
from flatrender.http.idempotency.postgres import PostgresIdempotencyStore
from flatrender.http.idempotency.store import IdempotencyStore
from flatrender.http.setup import HttpLayer
from flatrender.observability.health import health_handlers
from flatrender.observability.metrics import MetricsMiddleware, metrics_handler
from flatrender.observability.tracing import TracingMiddleware, setup_tracing, use_tracing
from flatrender.plugin import FlatRenderPlugin, PluginError
from flatrender.runtime import Runtime
from flatrender.security.setup import SecurityLayer
from flatrender.settings import Settings


def create_app(
    settings: Settings, *, runtime: Runtime | None = None, drain: Drain | None = None
) -> Litestar:
    """Build the app. Connections open in its lifespan, which also starts and stops ``runtime``."""
    live = runtime or Runtime(settings)
    stores: dict[str, IdempotencyStore] = {}

    def store_of(context: str) -> IdempotencyStore:
        if context not in stores:
            database = live.plugins[context].context.db
            stores[context] = PostgresIdempotencyStore(database.schema, database.transaction)
        return stores[context]

    tags = [Tag(name=p.manifest.name, description=p.manifest.summary) for p in live.active.values()]
    http = HttpLayer(settings.http, tags=tags, stores=store_of, clock=live.infra.clock, drain=drain)
    live.infra.drain = http.drain
    live.infra.cursors = http.cursors
    security = SecurityLayer(live)
    arguments: dict[str, Any] = {**http.arguments()}
    arguments["dependencies"] = {**arguments["dependencies"], **security.dependencies()}
    app = Litestar(
        route_handlers=[
            *(_router(plugin) for plugin in live.active.values()),
            *http.routes(),
            *health_handlers(live.infra.health),
            metrics_handler(settings.observability.metrics_token),
        ],
        middleware=[*security.middleware(), *http.middleware()],
        lifespan=[_lifespan(live), http.lifespan],
        logging_config=None,  # ours is configured by the process; Litestar's would replace it
        **arguments,
    )
    if problems := security.problems(app.routes):
        raise PluginError(problems)
    http.install(app)
    app.asgi_handler = MetricsMiddleware(TracingMiddleware(app.asgi_handler))
    app.state.runtime = live
    return app


def _router(plugin: FlatRenderPlugin) -> Router:
    """Mount a context's controllers with what they may ask for."""
    return Router(
        path="/",
        route_handlers=list(plugin.manifest.controllers),
        dependencies=plugin.dependencies(),
        opt={"context": plugin.manifest.name},
    )


def _lifespan(runtime: Runtime) -> Any:
    @asynccontextmanager
    async def run(_app: Litestar) -> AsyncIterator[None]:
        observability = runtime.settings.observability
        tracing = use_tracing(
            setup_tracing(
                service_name=observability.service_name, otlp_endpoint=observability.otlp_endpoint
            )
        )
        try:
            async with runtime:
                yield
        finally:
            tracing.shutdown()

    def enter(app: Litestar) -> AbstractAsyncContextManager[None]:
        return run(app)

    return enter
