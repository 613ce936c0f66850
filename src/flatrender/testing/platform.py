"""The whole platform in one test process: the real app over ASGI, a real worker beside it.

HTTP goes through the app's own middleware; events and tasks go through PostgreSQL, Valkey and
arq as in production. Timers run fast (``time_scale``). People are made the way they make
themselves: over HTTP.
"""

import asyncio
import contextlib
import ipaddress
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import asyncpg
import httpx
from msgspec import Struct

from flatrender.app import create_app
from flatrender.plugin import FlatRenderPlugin
from flatrender.runtime import Runtime
from flatrender.settings import load_settings
from flatrender.tasks.service import WorkerService
from flatrender.testing.logs import plain_logs
from flatrender.testing.waiting import until

T = TypeVar("T")

PASSWORD = "correct-horse-battery-9"  # noqa: S105 - of throw-away people in throw-away databases
FAST = {
    "FLATRENDER_TIME_SCALE": "0.05",
    "FLATRENDER_SECURITY_SECRET_KEY": "test-secret-key-of-a-throw-away-deployment",
    "FLATRENDER_SECURITY_PASSWORD_MEMORY_KIB": "64",
    "FLATRENDER_SECURITY_PASSWORD_PASSES": "1",
    "FLATRENDER_HTTP_CURSOR_KEY": "test-cursor-key-of-a-throw-away-deployment",
    "FLATRENDER_HTTP_PUBLIC_URL": "http://testserver.local",
    "FLATRENDER_HTTP_TRUSTED_PROXIES": "127.0.0.1",
    "FLATRENDER_WORKER_RENDER_SLOTS": "1",
}


class Person(Struct, frozen=True, kw_only=True):
    """Somebody who is logged in; ``headers`` carry the credential."""

    id: UUID
    email: str
    tenant_id: UUID
    access_token: str
    refresh_token: str
    tenant_key: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of this person's calls."""
        return {"Authorization": f"Bearer {self.access_token}"}


class Platform:
    """A running deployment and a client of it."""

    def __init__(self, runtime: Runtime, client: httpx.AsyncClient, app: Any) -> None:
        self.runtime = runtime
        self.client = client
        self.app = app

    async def person(
        self,
        *,
        plan: str | None = None,
        role: str | None = None,
        tenant_key: str = "",
        email: str | None = None,
    ) -> Person:
        """Register and log somebody in. ``plan`` and ``role`` are given by SQL, as an operator
        would; a role takes effect at this login."""
        address = email or f"p-{secrets.token_hex(8)}@example.com"
        headers = {"X-Tenant-Key": tenant_key} if tenant_key else {}
        answer = await self.client.post(
            "/v1/auth/register",
            json={"email": address, "password": PASSWORD, "display_name": "Test Person"},
            headers=headers,
        )
        assert answer.status_code == 202, answer.text
        if role:
            await self.sql(
                "UPDATE identity.users SET role = $2 WHERE email_key = $1", address, role
            )
        if plan:
            await self.grant(address, plan)
        return await self.login(address, tenant_key=tenant_key)

    async def login(self, email: str, *, tenant_key: str = "") -> Person:
        """Log in with the usual password."""
        headers = {"X-Tenant-Key": tenant_key} if tenant_key else {}
        answer = await self.client.post(
            "/v1/auth/login", json={"identifier": email, "password": PASSWORD}, headers=headers
        )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        tenant = await self.sql(
            "SELECT tenant_id FROM identity.users WHERE id = $1", UUID(body["user"]["id"])
        )
        return Person(
            id=UUID(body["user"]["id"]),
            email=email,
            tenant_id=tenant[0]["tenant_id"],
            access_token=body["access_token"],
            refresh_token=body["refresh_token"],
            tenant_key=tenant_key,
        )

    async def admin(self, *, tenant_key: str = "") -> Person:
        """Make an administrator with a confirmed TOTP factor, second factor done."""
        return await self.staff("admin", tenant_key=tenant_key)

    async def staff(self, role: str, *, tenant_key: str = "") -> Person:
        """Make somebody with a role and a confirmed TOTP factor, second factor done."""
        import pyotp

        person = await self.person(role=role, tenant_key=tenant_key)
        enrolled = await self.client.post("/v1/me/mfa/totp", headers=person.headers)
        assert enrolled.status_code == 201, enrolled.text
        body = enrolled.json()
        confirmed = await self.client.post(
            f"/v1/me/mfa/totp/{body['factor_id']}/confirm",
            json={"code": pyotp.TOTP(body["secret"]).now()},
            headers=person.headers,
        )
        assert confirmed.status_code == 200, confirmed.text
        tokens = confirmed.json()
        return Person(
            id=person.id,
            email=person.email,
            tenant_id=person.tenant_id,
            access_token=tokens["access_token"],
            refresh_token=tokens["refresh_token"],
            tenant_key=tenant_key,
        )

    async def grant(self, email: str, plan: str) -> None:
        """Give a paid plan through identity's own service, as ``user grant-plan`` does."""
        from importlib import import_module

        plans = import_module("flatrender_identity.operator")
        await plans.grant_plan(self.runtime.plugins["identity"].context, email, plan)

    async def tenant(self, name: str = "Reseller") -> tuple[UUID, str]:
        """Make a second tenant and return its id and publishable key."""
        tenant_id, key = uuid4(), f"pk_{secrets.token_hex(12)}"
        await self.sql(
            "INSERT INTO identity.tenants (id, slug, name_fa, name_en, kind, publishable_key) "
            "VALUES ($1, $2, $3, $3, 'Reseller', $4)",
            tenant_id,
            f"t-{secrets.token_hex(6)}",
            name,
            key,
        )
        return tenant_id, key

    async def sql(self, statement: str, *args: object) -> list[Any]:
        """Run SQL as the superuser, outside every wall: to arrange and to inspect."""
        async with self.connection() as connection:
            rows: list[Any] = await connection.fetch(statement, *args)
            return rows

    @contextlib.asynccontextmanager
    async def held(self, statement: str, *args: object) -> AsyncIterator[None]:
        """Hold the locks that ``statement`` takes for as long as the block runs: a barrier at
        which calls can be made to meet inside their transactions (see :meth:`waiters`)."""
        async with self.connection() as connection, connection.transaction():
            await connection.execute(statement, *args)
            yield

    async def waiters(self, count: int, *, of: str) -> None:
        """Return once ``count`` transactions wait for a lock in a statement that names ``of``."""

        async def enough() -> bool:
            rows = await self.sql(
                "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock' AND position($1 in query) > 0",
                of,
            )
            return bool(rows[0]["n"] >= count)

        await self.until(enough)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Open a connection of the superuser."""
        database = self.runtime.settings.database
        connection = await asyncpg.connect(
            host=database.host,
            port=database.port,
            database=database.name,
            user=database.migrator_user,
            password=database.migrator_password,
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def until(self, probe: Callable[[], Awaitable[T | None]], *, within: float = 120.0) -> T:
        """As :func:`flatrender.testing.waiting.until`; a wait in vain says what stands where."""
        return await until(probe, within=within, standing=self._standing)

    async def _standing(self) -> str:
        """Say what waits and what runs, for whoever reads why a wait was in vain."""
        rows = await self.sql(
            "SELECT engine, kind, state, held, not_before > now() AS later, count(*) AS n "
            "FROM render.frame_jobs WHERE state IN ('Waiting', 'Claimed') GROUP BY 1, 2, 3, 4, 5"
        )
        frames = [", ".join(f"{k}={v}" for k, v in row.items()) for row in rows]
        running = sorted(
            f"{task.get_name()}@{frame.f_code.co_qualname}:{frame.f_lineno}"
            for task in asyncio.all_tasks()
            for frame in task.get_stack(limit=1)
        )
        return f"frame jobs: {frames}; tasks: {running}"


async def from_anywhere(request: httpx.Request) -> None:
    """Let a call come from an address of its own, as people do, unless it names one: limits by
    address are then met only by the tests that mean to."""
    request.headers.setdefault(
        "x-forwarded-for", str(ipaddress.IPv4Address(secrets.randbits(24) | 10 << 24))
    )


@contextlib.asynccontextmanager
async def run_platform(
    environment: Mapping[str, str],
    *,
    worker: bool = True,
    plugins: Mapping[str, type[FlatRenderPlugin]] | None = None,
    **changes: str,
) -> AsyncIterator[Platform]:
    """Start the platform on the servers that ``environment`` names; stop it at the end.
    ``plugins`` are the contexts that are installed, all of this environment unless told."""
    from asgi_lifespan import LifespanManager

    plain_logs()
    settings = load_settings({**FAST, **environment, **changes})
    runtime = Runtime(settings, plugins=plugins)
    app = create_app(settings, runtime=runtime)
    async with LifespanManager(cast("Any", app), startup_timeout=60, shutdown_timeout=60):
        service = WorkerService(runtime)
        running = asyncio.create_task(service.run(handle_signals=False)) if worker else None
        transport = httpx.ASGITransport(app=cast("Any", app), raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://testserver.local",
            timeout=60,
            event_hooks={"request": [from_anywhere]},
        ) as client:
            try:
                yield Platform(runtime, client, app)
            finally:
                if running is not None:
                    service.stop()
                    await asyncio.wait_for(running, timeout=60)
