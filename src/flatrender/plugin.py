"""A context's manifest, its discovery and what it is given to stand on.

A context is a class registered under the entry point group ``flatrender.plugins``. Its
``manifest`` says what it owns and needs; a manifest that does not hold is refused at start with
every reason. The kernel knows contexts only through what is written here.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from flatrender.clock import Clock
from flatrender.db.context import ContextDatabase
from flatrender.errors import Unavailable
from flatrender.events.envelope import Event
from flatrender.events.subscriptions import Subscription
from flatrender.tasks.task import Schedule, Task

if TYPE_CHECKING:
    from flatrender.runtime import Infrastructure

GROUP = "flatrender.plugins"
T = TypeVar("T")
_NAME = re.compile(r"^[a-z][a-z_]{1,30}$")
_EVENT = re.compile(r"^[a-z_]+(\.[a-z_]+){1,2}\.v\d+$")


class PluginError(Exception):
    """One or more manifests do not hold. ``problems`` has one line per reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a context owns, offers and needs.

    ``offers``, ``needs`` and ``wants`` are Protocol classes of ``flatrender.contracts`` (or of the
    kernel). Without an installed context that offers a need the manifest does not hold; what is
    wanted is used where it is there.
    ``controllers`` are mounted as they are; their paths begin with ``/v1`` (or ``/ws/v1``,
    ``/.well-known``). ``migrations`` is only for contexts that live outside this repository.
    """

    name: str
    schema: str
    summary: str
    controllers: tuple[ControllerRouterHandler, ...] = ()
    tasks: tuple[Task, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    offers: tuple[type[Any], ...] = ()
    needs: tuple[type[Any], ...] = ()
    wants: tuple[type[Any], ...] = ()
    emits: tuple[type[Event], ...] = ()
    migrations: Path | None = None


@dataclass(kw_only=True)
class PluginContext:
    """What the kernel gives a context: its database, the shared infrastructure, its ports."""

    name: str
    db: ContextDatabase
    infra: "Infrastructure"
    port_table: Mapping[type[Any], Any]
    needs: tuple[type[Any], ...]
    wants: tuple[type[Any], ...] = ()
    ports_only: bool = False
    _made: dict[type[Any], Any] = field(default_factory=dict)

    @property
    def clock(self) -> Clock:
        """The process's clock."""
        return self.infra.clock

    def port(self, protocol: type[T]) -> T:
        """Return the implementation of a port that the manifest names under ``needs``.

        Raises ``LookupError`` for a port that was not asked for: a context cannot reach its
        neighbours by surprise.
        """
        if protocol not in self.needs:
            raise LookupError(f"{self.name} does not list {protocol.__name__} under needs")
        found: T | None = self.port_table.get(protocol)
        if found is None:
            raise Unavailable()
        return found

    def wanted(self, protocol: type[T]) -> T | None:
        """Return the implementation of a port that the manifest names under ``wants``, None where
        no context of this process offers it.

        Raises ``LookupError`` for a port that was not asked for.
        """
        if protocol not in self.wants:
            raise LookupError(f"{self.name} does not list {protocol.__name__} under wants")
        found: T | None = self.port_table.get(protocol)
        return found

    def get(self, service: Callable[["PluginContext"], T]) -> T:
        """Return the one instance of a service class of this context, made on first use."""
        key: Any = service
        if key not in self._made:
            self._made[key] = service(self)
        made: T = self._made[key]
        return made

    def made(self, service: Callable[["PluginContext"], T]) -> T | None:
        """Return a service's instance if anybody has used it, without making one."""
        key: Any = service
        return self._made.get(key)


class FlatRenderPlugin:
    """Base of every context. Subclasses set ``manifest`` and override what they need."""

    manifest: ClassVar[Manifest]

    def __init__(self, context: PluginContext) -> None:
        self.context = context

    def dependencies(self) -> dict[str, Provide]:
        """Return what handlers of this context may ask for by parameter name."""
        return {}

    def provide(self, services: Mapping[str, Callable[[PluginContext], Any]]) -> dict[str, Provide]:
        """Return providers of this context's own services by the names handlers use."""

        def giver(service: Callable[[PluginContext], Any]) -> Provide:
            return Provide(lambda: self.context.get(service), sync_to_thread=False)

        return {name: giver(service) for name, service in services.items()}

    def ports(self) -> Mapping[type[Any], Any]:
        """Return an implementation for every Protocol in ``manifest.offers``."""
        return {}

    async def start(self) -> None:
        """Run once, after every port is bound and before the first request or task."""

    async def take_up(self, queues: Collection[str]) -> None:
        """Run once in a worker that begins to take this context's tasks from these queues. What
        fails here is logged; the worker goes on."""

    def wind_down(self) -> None:
        """Run when the worker is told to stop, before running tasks get their grace time: a
        task that takes work in a loop takes no more."""

    async def stop(self) -> None:
        """Run once at shutdown, before connections close."""

    def health_checks(self) -> Mapping[str, Callable[[], Any]]:
        """Return named async checks for ``/health/ready``."""
        return {}


def discover() -> dict[str, type[FlatRenderPlugin]]:
    """Load every installed context class.

    Raises :class:`PluginError` when one cannot be imported or is no context.
    """
    found: dict[str, type[FlatRenderPlugin]] = {}
    problems = []
    for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
        try:
            loaded = point.load()
        except Exception as error:  # noqa: BLE001 - any import failure becomes one clear line
            problems.append(f"{point.name}: cannot be imported from {point.value}: {error!r}")
            continue
        if not (isinstance(loaded, type) and issubclass(loaded, FlatRenderPlugin)):
            problems.append(f"{point.name}: {point.value} is not a FlatRenderPlugin")
        elif point.name in found:
            problems.append(f"{point.name}: registered twice")
        else:
            found[point.name] = loaded
    if problems:
        raise PluginError(problems)
    return found


def migration_directories() -> list[Path]:
    """Return our folder of migrations and those of installed contexts that live elsewhere."""
    from flatrender.db.migrations import migrations_directory

    extra = [p.manifest.migrations for p in discover().values() if p.manifest.migrations]
    return [migrations_directory(), *extra]


def check_manifests(plugins: Mapping[str, type[FlatRenderPlugin]]) -> list[str]:
    """Return one line per reason why these manifests do not hold together; empty when they do."""
    problems: list[str] = []
    schemas: dict[str, str] = {}
    offered: dict[type[Any], str] = {}
    tasks: dict[str, str] = {}
    handlers: dict[str, str] = {}
    known_events = {e.event_type for p in plugins.values() for e in p.manifest.emits}
    for name, plugin in plugins.items():
        manifest = plugin.manifest
        if manifest.name != name:
            problems.append(f"{name}: its manifest calls itself {manifest.name!r}")
        if not _NAME.match(manifest.name) or not _NAME.match(manifest.schema):
            problems.append(f"{name}: name and schema are lower case letters and underscores")
        _claim(schemas, manifest.schema, name, "schema", problems)
        for port in manifest.offers:
            if port in offered:
                problems.append(f"{name}: {offered[port]} offers {port.__name__} too")
            offered[port] = name
        for task in manifest.tasks:
            _claim(tasks, task.name, name, "task", problems)
            if not task.name.startswith(f"{name}."):
                problems.append(f"{name}: task {task.name!r} is not named {name}.*")
        for schedule in manifest.schedules:
            if schedule.task not in manifest.tasks:
                problems.append(f"{name}: schedule of {schedule.task.name!r}, which is no task")
        for event in manifest.emits:
            if not _EVENT.match(event.event_type):
                problems.append(f"{name}: {event.__name__} has no event_type name.verb.v1")
        for subscription in manifest.subscriptions:
            _claim(handlers, f"{name}:{subscription.name}", name, "subscription", problems)
            if subscription.event.event_type not in known_events and subscription.strict:
                problems.append(f"{name}: nobody emits {subscription.event.event_type}")
    for name, plugin in plugins.items():
        for port in plugin.manifest.needs:
            if port not in offered:
                problems.append(f"{name}: needs {port.__name__}, which no installed context offers")
    return problems


def _claim(taken: dict[str, str], what: str, by: str, kind: str, problems: list[str]) -> None:
    if what in taken:
        problems.append(f"{by}: {kind} {what!r} is {taken[what]}'s")
    taken[what] = by


def needed_contexts(
    chosen: Sequence[str],
    plugins: Mapping[str, type[FlatRenderPlugin]],
    *,
    also: Sequence[type[Any]] = (),
) -> list[str]:
    """Return the contexts to load in ports-only mode so that every need of ``chosen`` is met.

    ``also`` are ports that the kernel itself asks for, where some context offers them; so are
    those that ``chosen`` contexts want. What a context wants that is not served itself is left
    out: nothing of this process asks for it.
    """
    offered = {port: name for name, p in plugins.items() for port in p.manifest.offers}
    seen = list(chosen)
    for port in [*also, *(port for name in chosen for port in plugins[name].manifest.wants)]:
        if port in offered and offered[port] not in seen:
            seen.append(offered[port])
    for name in seen:  # grows while it is walked: needs of needs
        for port in plugins[name].manifest.needs:
            owner = offered.get(port)
            if owner and owner not in seen:
                seen.append(owner)
    return [name for name in seen if name not in chosen]
