"""Greetings: who was greeted is kept by tenant."""

from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency, Provide
from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.contracts.identity import UserDirectory, UserRegistered
from flatrender.db import UnitOfWork
from flatrender.events.envelope import Event
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import FlatRenderPlugin, Manifest, PluginContext
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender.tasks.task import Task

INSERT = (
    "INSERT INTO acme_hello.greetings (id, tenant_id, user_id, occasion) "
    "VALUES (:id, :tenant, :user, :occasion)"
)


class Greeted(Event, frozen=True, kw_only=True):
    """Somebody asked for a greeting and got it."""

    event_type: ClassVar[str] = "acme_hello.greeting.given.v1"
    producer: ClassVar[str] = "acme_hello"
    greeting_id: UUID
    user_id: UUID


class Thanks(Struct, frozen=True):
    """What the task is told: ids, never copies of rows, which change until it runs."""

    tenant_id: UUID
    greeting_id: UUID
    user_id: UUID


async def thank(context: PluginContext, told: Thanks) -> None:
    """Note down whom the greeting was for. May run twice: the second time changes nothing."""
    person = await context.port(UserDirectory).contact(told.tenant_id, told.user_id)
    if person is None:  # the account is gone by now
        return
    async with context.db.unit_of_work(told.tenant_id) as work:
        await work.execute(
            "UPDATE acme_hello.greetings SET email = :email WHERE id = :id",
            email=person.email,
            id=told.greeting_id,
        )


THANK = Task(name="acme_hello.thank", queue="default", handler=thank, payload=Thanks)


async def welcome(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """Greet whoever registered, in the same transaction that remembers the event as handled."""
    event: Any = told.event
    await work.execute(
        INSERT, id=uuid7(), tenant=work.tenant, user=event.user_id, occasion="welcome"
    )


class Greeter:
    """Use cases of greetings."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def greet(self, principal: Principal) -> None:
        """Write down that the caller was greeted, tell everybody, and have thanks follow."""
        greeting, user = uuid7(), principal.user_id
        if user is None:  # a partner's key has no user; the guard keeps it out
            return
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await work.execute(INSERT, id=greeting, tenant=work.tenant, user=user, occasion="asked")
            work.emit(Greeted(greeting_id=greeting, user_id=user), user_id=user)
            work.enqueue(THANK, Thanks(principal.tenant_id, greeting, user))

    async def count(self, principal: Principal) -> int:
        """Return how many greetings the caller's tenant has asked for."""
        return int(
            await self._db.reads.value(
                principal.tenant_id,
                "SELECT count(*) FROM acme_hello.greetings "
                "WHERE tenant_id = $1 AND occasion = 'asked'",
                principal.tenant_id,
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
        tasks=(THANK,),
        subscriptions=(Subscription(event=UserRegistered, handler=welcome),),
        needs=(UserDirectory,),
        emits=(Greeted,),
        migrations=Path(__file__).parent / "migrations",
    )

    def dependencies(self) -> dict[str, Provide]:
        """Return the services by the names handlers use."""
        return self.provide({"greeter": Greeter})
