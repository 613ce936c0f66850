"""What a context declares: tasks and schedules. No queue library is visible here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from flatrender.plugin import PluginContext

QueueName = Literal["events", "render", "extras", "quick", "messages", "push", "cleanup", "default"]
QUEUES: tuple[QueueName, ...] = (
    "events",
    "render",
    "extras",  # long work that no frame waits behind
    "quick",  # what a person waits for on the other end of a request
    "messages",
    "push",
    "cleanup",
    "default",
)


class Nothing(Struct, frozen=True):
    """The payload of a task that needs none."""


class RetryLater(Exception):
    """Raised by a task that wants another try after ``delay`` seconds, without being a failure.

    ``counts`` False does not use up one of the task's attempts.
    """

    def __init__(self, delay: float, *, counts: bool = True) -> None:
        super().__init__(f"retry in {delay} s")
        self.delay = delay
        self.counts = counts


@dataclass(frozen=True, kw_only=True)
class Task:
    """A named piece of background work of one context.

    ``handler`` is idempotent: it may run twice. After ``max_attempts`` failures, with a back-off
    of ``backoff * 2**(n-1)`` seconds (at most ``backoff_max``), the task lies in the context's
    dead letters, from where it can be replayed. ``timeout`` in seconds. One that is ``alone`` ends
    at once where its like is still running in the same process: sweeps, which come again anyway.
    """

    name: str
    queue: QueueName
    handler: Callable[["PluginContext", Any], Awaitable[None]]
    payload: type[Struct] = Nothing
    timeout: float = 60.0
    max_attempts: int = 8
    backoff: float = 2.0
    backoff_max: float = 3600.0
    alone: bool = False


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Runs ``task`` every ``every`` seconds, once for all workers together."""

    task: Task
    every: float
    payload: Struct = field(default_factory=Nothing)
