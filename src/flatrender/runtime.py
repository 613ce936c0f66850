"""The runtime of one process: infrastructure, chosen contexts, bound ports; start and stop.

``serve``, ``worker`` and the CLI all stand on it. Contexts that are not chosen but needed are
loaded in ports-only mode: their services answer in-process under their own database role, their
HTTP, tasks and subscriptions stay away.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import structlog

from flatrender.clock import Clock, SystemClock
from flatrender.db.context import ContextDatabase
from flatrender.events.subscriptions import Subscription
from flatrender.http.cursors import CursorSigner
from flatrender.http.drain import Drain
from flatrender.observability.health import HealthRegistry
from flatrender.plugin import (
    FlatRenderPlugin,
    PluginContext,
    PluginError,
    check_manifests,
    discover,
    needed_contexts,
)
from flatrender.realtime import Hub
from flatrender.security.outbound import OutboundDoor
from flatrender.security.ports import (
    FactorLedger,
    RoleLedger,
    SessionLedger,
    SupportLedger,
    TenantResolver,
)
from flatrender.security.secrets import Encryptor
from flatrender.security.setup import SecurityServices
from flatrender.security.tokens import KeySource
from flatrender.settings import Settings
from flatrender.storage import ObjectStore
from flatrender.tasks.queue import QueueClient

log = structlog.get_logger(__name__)

#: What authentication asks of whichever context offers it, in every process.
KERNEL_NEEDS: tuple[type[Any], ...] = (
    KeySource,
    SessionLedger,
    RoleLedger,
    FactorLedger,
    SupportLedger,
    TenantResolver,
)


@dataclass(kw_only=True)
class Infrastructure:
    """What every context shares."""

    settings: Settings
    clock: Clock
    storage: ObjectStore
    queue: QueueClient
    hub: Hub
    outbound: OutboundDoor
    encryptor: Encryptor
    security: SecurityServices
    health: HealthRegistry
    # Set by the app that serves this runtime; a worker serves no streams and signs no cursors.
    drain: Drain = field(default_factory=Drain)
    cursors: CursorSigner | None = None


class Runtime:
    """One process. Construct it anywhere, ``async with`` it where connections may open."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        plugins: Mapping[str, type[FlatRenderPlugin]] | None = None,
    ) -> None:
        self.settings = settings
        self.installed = dict(plugins if plugins is not None else discover())
        problems = check_manifests(self.installed)
        unknown = [n for n in settings.core.plugins if n not in self.installed]
        problems += [f"FLATRENDER_PLUGINS: no context is named {name!r}" for name in unknown]
        if problems:
            raise PluginError(problems)
        chosen = settings.core.plugins or list(self.installed)
        used_clock = clock or SystemClock()
        self.infra = Infrastructure(
            settings=settings,
            clock=used_clock,
            storage=ObjectStore(settings.storage, used_clock),
            queue=QueueClient(settings.valkey.url, settings.valkey.prefix),
            hub=Hub(settings.valkey.url, settings.valkey.prefix),
            outbound=OutboundDoor(settings.security),
            encryptor=Encryptor.from_settings(settings.security),
            security=SecurityServices(
                settings.security,
                valkey_url=settings.valkey.url,
                prefix=settings.valkey.prefix,
                clock=used_clock,
                origins=[*settings.http.cors_origins, settings.http.public_url],
            ),
            health=HealthRegistry(),
        )
        self._ports: dict[type[Any], Any] = {}
        self.plugins: dict[str, FlatRenderPlugin] = {}
        needed = needed_contexts(chosen, self.installed, also=KERNEL_NEEDS)
        for name in [*chosen, *needed]:
            self.plugins[name] = self._build(name, ports_only=name not in chosen)
        self._bind_ports()

    @property
    def active(self) -> dict[str, FlatRenderPlugin]:
        """The contexts this process serves; ports-only ones are left out."""
        return {n: p for n, p in self.plugins.items() if not p.context.ports_only}

    @property
    def contexts(self) -> dict[str, PluginContext]:
        """The contexts of :attr:`active` plugins."""
        return {name: plugin.context for name, plugin in self.active.items()}

    def port(self, protocol: type[Any]) -> Any:
        """Return a bound port for the kernel itself (authentication), or None."""
        return self._ports.get(protocol)

    def subscribers(self) -> dict[str, list[tuple[str, Subscription]]]:
        """Return event type -> (context, subscription) over every installed context."""
        table: dict[str, list[tuple[str, Subscription]]] = {}
        for name, plugin in self.installed.items():
            for subscription in plugin.manifest.subscriptions:
                table.setdefault(subscription.event.event_type, []).append((name, subscription))
        return table

    async def __aenter__(self) -> Self:
        started: list[FlatRenderPlugin] = []
        try:
            for plugin in self.plugins.values():
                await plugin.start()
                started.append(plugin)
        except BaseException:
            await self._stop(started)
            raise
        self._register_health()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stop(list(self.plugins.values()))

    def _build(self, name: str, *, ports_only: bool) -> FlatRenderPlugin:
        plugin = self.installed[name]
        manifest = plugin.manifest
        context = PluginContext(
            name=name,
            db=ContextDatabase(
                self.settings.database,
                context=name,
                schema=manifest.schema,
                clock=self.infra.clock,
            ),
            infra=self.infra,
            port_table=self._ports,
            needs=manifest.needs,
            wants=manifest.wants,
            ports_only=ports_only,
        )
        return plugin(context)

    def _bind_ports(self) -> None:
        problems = []
        for name, plugin in self.plugins.items():
            offered = plugin.ports()
            missing = set(plugin.manifest.offers) - set(offered)
            problems += [f"{name}: offers {port.__name__} and does not make it" for port in missing]
            self._ports.update({p: offered[p] for p in plugin.manifest.offers if p in offered})
        if problems:
            raise PluginError(problems)

    def _register_health(self) -> None:
        health = self.infra.health
        for name, plugin in self.active.items():
            health.add(f"database:{name}", plugin.context.db.ping)
            for check, call in plugin.health_checks().items():
                health.add(f"{name}:{check}", call)
        health.add("storage", self.infra.storage.ping)
        health.add("valkey", self._ping_valkey)

    async def _ping_valkey(self) -> None:
        redis = await self.infra.queue.redis()
        await redis.ping()

    async def _stop(self, plugins: Sequence[FlatRenderPlugin]) -> None:
        for plugin in reversed(plugins):
            with contextlib.suppress(Exception):
                await asyncio.wait_for(plugin.stop(), timeout=10)
        for plugin in plugins:
            with contextlib.suppress(Exception):
                await plugin.context.db.close()
        infra = self.infra
        for closing in (
            infra.hub.close,
            infra.queue.close,
            infra.outbound.close,
            infra.security.close,
        ):
            with contextlib.suppress(Exception):
                await closing()
        self.infra.storage.close()
