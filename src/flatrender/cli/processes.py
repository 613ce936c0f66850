"""``serve`` and ``worker``: the two kinds of process of a deployment."""

import asyncio
import gc
import os
from typing import Any

import click

from flatrender.observability.logs import configure_logging
from flatrender.settings import load_settings


def _tune_collector() -> None:
    """Freeze what start-up made and collect rarely: cut p99 latency several times when measured."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@click.command()
@click.option("--host", default=None, help="Address to listen on.")
@click.option("--port", type=int, default=None, help="Port to listen on.")
@click.option("--workers", type=int, default=1, show_default=True, help="Server processes.")
def serve(host: str | None, port: int | None, workers: int) -> None:
    """Run the API server."""
    import uvicorn

    from flatrender.asgi import create
    from flatrender.http.drain import Drain, DrainingServer

    settings = load_settings()  # every problem now, before a port is bound
    options: dict[str, Any] = {
        "host": host or settings.http.host,
        "port": settings.http.port if port is None else port,
        "loop": "auto",
        "http": "httptools",
        "ws": "websockets-sansio",
        "lifespan": "on",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "date_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": 15,
        "ws_max_size": 64 * 1024,
    }
    if workers > 1:
        uvicorn.run("flatrender.asgi:create", factory=True, workers=workers, **options)
        return
    drain = Drain()
    DrainingServer(uvicorn.Config(create(drain), **options), drain).run()


@click.command()
@click.option("--queues", default="", help="Comma-separated queue classes; all by default.")
def worker(queues: str) -> None:
    """Run a worker: tasks of the chosen queues, the event relay and schedules."""
    from flatrender.runtime import Runtime
    from flatrender.tasks.service import WorkerService
    from flatrender.tasks.task import QUEUES

    settings = load_settings()
    configure_logging(settings.observability)
    chosen = [q.strip() for q in queues.split(",") if q.strip()] or settings.worker.queues
    unknown = [q for q in chosen if q not in QUEUES]
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}; known: {', '.join(QUEUES)}")

    async def run() -> None:
        async with Runtime(settings) as runtime:
            _tune_collector()
            await WorkerService(runtime, queues=chosen).run()

    if os.name != "nt":
        import uvloop

        uvloop.run(run())
    else:
        asyncio.run(run())
