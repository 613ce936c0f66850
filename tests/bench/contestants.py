"""The servers that answer the same one-row read, one per process.

``python -m tests.bench.contestants KIND PORT``: KIND is a key of ``CONTESTANTS``. All of them run
under uvicorn with uvloop and httptools, with the same number of connections to PostgreSQL and
the same garbage collector settings; all return the same nine columns of a plan as JSON.
"""

import gc
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any, ClassVar
from uuid import UUID

import asyncpg
import msgspec
import uvicorn
from litestar import Controller, Litestar, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from flatrender.db.connect import connect_arguments
from flatrender.db.reads import ReadPool
from flatrender.plugin import FlatRenderPlugin, discover
from flatrender.security.principal import DEFAULT_TENANT_ID, Principal
from flatrender.settings import DatabaseSettings, load_settings
from flatrender_identity.plugin import IdentityPlugin

COLUMNS = (
    "code, name_fa, name_en, tier, price_minor, max_resolution, watermark, daily_render_limit, "
    "storage_bytes"
)
SQL = f"SELECT {COLUMNS} FROM identity.plans WHERE tenant_id = $1 AND code = $2"


class PlanRow(msgspec.Struct, frozen=True):
    """What every contestant answers with."""

    code: str
    name_fa: str
    name_en: str
    tier: int
    price_minor: int
    max_resolution: str
    watermark: bool
    daily_render_limit: int
    storage_bytes: int


async def _keep(_connection: Any) -> None:
    """Reset nothing: no session state is made here."""


def _pool(settings: DatabaseSettings) -> Any:
    """Return raw asyncpg at its best: the owner's role, no row-level security, no reset."""
    arguments = connect_arguments(settings, "identity")
    arguments |= {"user": settings.migrator_user, "password": settings.migrator_password}
    return asyncpg.create_pool(
        **arguments, min_size=0, max_size=settings.read_pool_size, reset=_keep
    )


def bare(settings: DatabaseSettings) -> Any:
    """ASGI by hand and asyncpg: nothing can be less."""
    pool: Any = None
    encode = msgspec.json.Encoder().encode
    kind = (b"content-type", b"application/json")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal pool
        if scope["type"] == "lifespan":
            await receive()
            pool = await _pool(settings)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await pool.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        code = scope["path"].rpartition("/")[2]
        row = await pool.fetchrow(SQL, DEFAULT_TENANT_ID, code)
        body = encode(PlanRow(*row))
        headers = [kind, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def litestar_raw(settings: DatabaseSettings) -> Any:
    """Litestar and raw asyncpg without row-level security: the yardstick."""
    held: dict[str, Any] = {}

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        async with _pool(settings) as held["pool"]:
            yield

    @get("/plans/{code:str}")
    async def plan(code: FromPath[str]) -> PlanRow:
        row = await held["pool"].fetchrow(SQL, DEFAULT_TENANT_ID, code)
        return PlanRow(*row)

    return Litestar([plan], lifespan=[lifespan], openapi_config=None, logging_config=None)


def litestar_reads(settings: DatabaseSettings) -> Any:
    """Litestar and our ReadPool: the context's request role, row-level security on."""
    reads = ReadPool(settings, "identity")

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        yield
        await reads.close()

    @get("/plans/{code:str}")
    async def plan(code: FromPath[str]) -> PlanRow | None:
        return await reads.one(PlanRow, DEFAULT_TENANT_ID, SQL, DEFAULT_TENANT_ID, code)

    @get("/tenants/{tenant_id:uuid}/plans/{code:str}")
    async def plan_of(tenant_id: FromPath[UUID], code: FromPath[str]) -> PlanRow | None:
        return await reads.one(PlanRow, tenant_id, SQL, tenant_id, code)

    return Litestar([plan, plan_of], lifespan=[lifespan], openapi_config=None, logging_config=None)


class BenchController(Controller):
    """The same read inside the real application, behind all of its middleware."""

    path = "/v1/bench/plans"
    tags = ("identity",)

    @get(
        "/{code:str}",
        operation_id="bench_plan",
        summary="One plan",
        opt={"auth": "optional"},
    )
    async def plan(
        self, code: FromPath[str], principal: NamedDependency[Principal], reads: ReadPool
    ) -> PlanRow | None:
        """Return a plan by its code."""
        return await reads.one(PlanRow, principal.tenant_id, SQL, principal.tenant_id, code)


class BenchIdentity(IdentityPlugin):
    """Identity as it is, with one more controller."""

    manifest: ClassVar[Any] = replace(
        IdentityPlugin.manifest,
        controllers=(*IdentityPlugin.manifest.controllers, BenchController),
    )

    def dependencies(self) -> dict[str, Provide]:
        """Return identity's own, and its reads."""
        reads = self.context.db.reads
        return {**super().dependencies(), "reads": Provide(lambda: reads, sync_to_thread=False)}


def whole_app(_settings: DatabaseSettings) -> Any:
    """The real application: every context, middleware, limits, metrics and traces."""
    from flatrender.app import create_app
    from flatrender.observability.logs import configure_logging
    from flatrender.runtime import Runtime

    settings = load_settings()
    configure_logging(settings.observability)
    plugins: dict[str, type[FlatRenderPlugin]] = {**discover(), "identity": BenchIdentity}
    return create_app(settings, runtime=Runtime(settings, plugins=plugins))


def fastapi_orm(settings: DatabaseSettings) -> Any:
    """FastAPI, pydantic and SQLAlchemy's ORM, written as their manuals do."""
    from fastapi import Depends, FastAPI
    from pydantic import BaseModel, ConfigDict
    from sqlalchemy import URL, select
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    class Base(DeclarativeBase):
        pass

    class Plan(Base):
        __tablename__ = "plans"
        __table_args__ = {"schema": "identity"}  # noqa: RUF012 - SQLAlchemy's own word
        id: Mapped[UUID] = mapped_column(primary_key=True)
        tenant_id: Mapped[UUID]
        code: Mapped[str]
        name_fa: Mapped[str]
        name_en: Mapped[str]
        tier: Mapped[int]
        price_minor: Mapped[int]
        max_resolution: Mapped[str]
        watermark: Mapped[bool]
        daily_render_limit: Mapped[int]
        storage_bytes: Mapped[int]

    class PlanOut(BaseModel):
        model_config = ConfigDict(from_attributes=True)
        code: str
        name_fa: str
        name_en: str
        tier: int
        price_minor: int
        max_resolution: str
        watermark: bool
        daily_render_limit: int
        storage_bytes: int

    url = URL.create(
        "postgresql+asyncpg",
        settings.migrator_user,
        settings.migrator_password,
        settings.host,
        settings.port,
        settings.name,
    )
    engine = create_async_engine(url, pool_size=settings.read_pool_size, max_overflow=0)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    app = FastAPI(openapi_url=None)

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    @app.get("/plans/{code}", response_model=PlanOut)
    async def plan(code: str, db: Annotated[AsyncSession, Depends(session)]) -> Any:
        query = select(Plan).where(Plan.tenant_id == DEFAULT_TENANT_ID, Plan.code == code)
        return (await db.scalars(query)).one()

    return app


CONTESTANTS: dict[str, Callable[[DatabaseSettings], Any]] = {
    "bare": bare,
    "raw": litestar_raw,
    "reads": litestar_reads,
    "app": whole_app,
    "fastapi": fastapi_orm,
}


def main() -> None:
    """Run one contestant until it is told to stop."""
    kind, port = sys.argv[1], int(sys.argv[2])
    app = CONTESTANTS[kind](load_settings().database)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main()
