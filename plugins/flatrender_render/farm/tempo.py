"""How long a frame of a template takes: learned from recent jobs, corrected by the job itself."""

from uuid import UUID

from msgspec import Struct

from flatrender.clock import Clock
from flatrender.plugin import PluginContext
from flatrender_render.farm.claims import JobFacts

#: How long a median is believed, and how many jobs it is taken over.
REMEMBER_SECONDS = 60.0
_KEPT = 2048
#: Frames after which a job's own pace says as much as what others took.
_OWN_FRAMES = 60
#: Joining, moving and proving, after the last frame.
_TAIL_SECONDS = 1.0

_TYPICAL = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM (
    SELECT extract(epoch FROM finished_at - started_at)::float8 / total_frames AS seconds
    FROM render.render_jobs
    WHERE tenant_id = $1 AND package_sha256 = $2 AND resolution = $3 AND step = 'Done'
      AND started_at IS NOT NULL
    ORDER BY finished_at DESC LIMIT 20) recent
"""


class _Median(Struct, frozen=True):
    seconds: float | None
    until: float


class Tempo:
    """Median seconds per frame of recent jobs of a template at a resolution."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._clock: Clock = context.clock
        self._known: dict[tuple[UUID, str, str], _Median] = {}

    async def typical(self, tenant_id: UUID, package_sha256: str, resolution: str) -> float | None:
        """Return the median, or None when nobody rendered it yet."""
        key = (tenant_id, package_sha256, resolution)
        now = self._clock.monotonic()
        found = self._known.get(key)
        if found is None or found.until < now:
            seconds = await self._db.reads.value(tenant_id, _TYPICAL, *key)
            if len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            found = self._known[key] = _Median(seconds, now + REMEMBER_SECONDS)
        return found.seconds


def eta_seconds(
    *, drawn: int, total: int, spent: float | None, typical: float | None
) -> float | None:
    """Return the seconds left, None when nothing is known.

    ``spent`` seconds brought ``drawn`` of ``total`` frames; ``typical`` is what a frame took
    others, which counts less the more frames the job has drawn itself.
    """
    own = spent / drawn if spent is not None and drawn > 0 else None
    if own is None and typical is None:
        return None
    share = drawn / (drawn + _OWN_FRAMES) if own is not None else 0.0
    if typical is None:
        share = 1.0
    each = share * (own or 0.0) + (1 - share) * (typical or 0.0)
    return round(max(0.0, each * (total - drawn)) + _TAIL_SECONDS, 1)


def eta_of(facts: JobFacts, typical: float | None) -> float | None:
    """Return the seconds left of a job."""
    spent = None
    if facts.started_at is not None:
        spent = (facts.now - facts.started_at).total_seconds()
    return eta_seconds(drawn=facts.drawn, total=facts.total, spent=spent, typical=typical)
