"""Greetings: who was greeted is kept by tenant."""

from pathlib import Path
from typing import ClassVar

from litestar import Controller, get, post
from litestar.di import NamedDependency, Provide

from flatrender.clock import uuid7
from flatrender.plugin import FlatRenderPlugin, Manifest, PluginContext
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal


class Greeter:
    """Use cases of greetings."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def greet(self, principal: Principal) -> None:
        """Write down that the caller was greeted."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await work.execute(
                "INSERT INTO acme_hello.greetings (id, tenant_id, user_id) "
                "VALUES (:id, :tenant, :user)",
                id=uuid7(),
                tenant=work.tenant,
                user=principal.user_id,
            )

    async def count(self, principal: Principal) -> int:
        """Return how many greetings the caller's tenant has seen."""
        return int(
            await self._db.reads.value(
                principal.tenant_id, "SELECT count(*) FROM acme_hello.greetings"
            )
        )


class HelloController(Controller):
    """Greetings."""

    path = "/v1/hello"
    tags = ("acme_hello",)

    @get("/", operation_id="hello", summary="Say hello", opt={"auth": "optional"})
    async def hello(self) -> dict[str, str]:
        """Greet in Persian."""
        return {"text": "سلام"}

    @post("/", operation_id="greet", summary="Be greeted", guards=[requires_user])
    async def greet(
        self, principal: NamedDependency[Principal], greeter: NamedDependency[Greeter]
    ) -> dict[str, int]:
        """Write a greeting down and count them."""
        await greeter.greet(principal)
        return {"greetings": await greeter.count(principal)}


class HelloPlugin(FlatRenderPlugin):
    """Greetings."""

    manifest: ClassVar[Manifest] = Manifest(
        name="acme_hello",
        schema="acme_hello",
        summary="Greetings.",
        controllers=(HelloController,),
        migrations=Path(__file__).parent / "migrations",
    )

    def dependencies(self) -> dict[str, Provide]:
        """Return the services by the names handlers use."""
        return self.provide({"greeter": Greeter})
