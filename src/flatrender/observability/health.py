"""Health: is this process alive, and may it be sent work. Named checks with timings and bounds.

Answers are public, so they hold names, states and times only: what went wrong is logged, never
answered (an error text may hold a host, a user or a password).
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Literal

import structlog
from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.response import Response
from msgspec import Struct

log = structlog.get_logger(__name__)

#: Answers within this time are shared, so that probes cannot load the database.
CACHE_SECONDS = 1.0

Check = Callable[[], Awaitable[object]]


class CheckResult(Struct, frozen=True, kw_only=True):
    """One check. ``seconds`` is how long it took."""

    status: Literal["ok", "failed", "timeout"]
    seconds: float


class HealthReport(Struct, frozen=True, kw_only=True):
    """All checks; ``status`` is ``ok`` when every one is."""

    status: Literal["ok", "failed", "stopping"]
    checks: dict[str, CheckResult] = {}


class HealthRegistry:
    """The readiness checks of one process.

    A check is an async function without arguments: it returns when all is well and raises when
    not. Each is cut off after ``timeout`` seconds.
    """

    def __init__(self, *, timeout: float = 2.0, cache_seconds: float = CACHE_SECONDS) -> None:
        self._timeout = timeout
        self._cache_seconds = cache_seconds
        self._checks: dict[str, Check] = {}
        self._failing: set[str] = set()
        self._last: tuple[float, HealthReport] | None = None
        self._running: asyncio.Task[HealthReport] | None = None
        self._stopping = False

    @property
    def names(self) -> list[str]:
        """The names of all checks, in order of registration."""
        return list(self._checks)

    def add(self, name: str, check: Check) -> None:
        """Register a check; the same name replaces the former one."""
        self._checks[name] = check
        self._last = None

    def stop(self) -> None:
        """Answer ``stopping`` (503) from now on: balancers send no new work here."""
        self._stopping = True

    async def report(self) -> HealthReport:
        """Run every check at once and return the report; concurrent callers share one run."""
        if self._stopping:
            return HealthReport(status="stopping")
        if self._last is not None and perf_counter() - self._last[0] < self._cache_seconds:
            return self._last[1]
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="health")
        # Shielded: one caller who goes away must not cancel the run that others wait for.
        return await asyncio.shield(self._running)

    async def _run(self) -> HealthReport:
        names = list(self._checks)
        results = await asyncio.gather(*(self._one(name) for name in names))
        healthy = all(result.status == "ok" for result in results)
        report = HealthReport(
            status="ok" if healthy else "failed", checks=dict(zip(names, results, strict=True))
        )
        self._last = (perf_counter(), report)
        return report

    async def _one(self, name: str) -> CheckResult:
        begun = perf_counter()
        status: Literal["ok", "failed", "timeout"] = "ok"
        reason = ""
        try:
            async with asyncio.timeout(self._timeout):
                await self._checks[name]()
        except TimeoutError:
            status, reason = "timeout", f"no answer within {self._timeout} s"
        except Exception as error:  # noqa: BLE001 - any failure of a check is an answer, not a crash
            status, reason = "failed", repr(error)
        self._tell(name, reason)
        return CheckResult(status=status, seconds=round(perf_counter() - begun, 4))

    def _tell(self, name: str, reason: str) -> None:
        """Log the changes only: probes come every few seconds."""
        if reason and name not in self._failing:
            self._failing.add(name)
            log.warning("health_check_failing", check=name, error=reason)
        elif not reason and name in self._failing:
            self._failing.discard(name)
            log.info("health_check_recovered", check=name)


_NOT_READY = ResponseSpec(
    HealthReport,
    generate_examples=False,
    description="A check does not pass, or the process is about to stop: send it no work",
    examples=[
        Example(
            id="failed",
            summary="A check does not pass",
            value={
                "status": "failed",
                "checks": {
                    "database:identity": {"status": "ok", "seconds": 0.0021},
                    "valkey": {"status": "timeout", "seconds": 2.0004},
                },
            },
        ),
        Example(
            id="stopping",
            summary="The process is about to stop",
            value={"status": "stopping", "checks": {}},
        ),
    ],
)


def health_handlers(registry: HealthRegistry) -> list[Any]:
    """Return the handlers of ``GET /health/live`` and ``GET /health/ready``."""

    @get(
        "/health/live",
        operation_id="healthLive",
        summary="Is the process alive",
        tags=["Health"],
        opt={"auth": "public", "limit": None},
        sync_to_thread=False,
    )
    def health_live() -> HealthReport:
        """Answer as long as the event loop turns; restart the process when this fails."""
        return HealthReport(status="ok")

    @get(
        "/health/ready",
        operation_id="healthReady",
        summary="May the process be sent work",
        tags=["Health"],
        opt={"auth": "public", "limit": None},
        responses={503: _NOT_READY},
    )
    async def health_ready() -> Response[HealthReport]:
        """Answer 200 when every check passes, else 503 with the names of those that do not."""
        report = await registry.report()
        return Response(report, status_code=200 if report.status == "ok" else 503)

    return [health_live, health_ready]
