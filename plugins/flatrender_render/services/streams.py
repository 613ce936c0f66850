"""Live streams of a job: state first, then what is announced, coalesced and never backwards."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from flatrender.errors import NotFound, Unauthorized
from flatrender.plugin import PluginContext
from flatrender.security.ports import SessionLedger
from flatrender.security.tokens import KeySource, WatchClaims
from flatrender_render import queries
from flatrender_render.audience import Audience, Mark, Told, follow, mark_of, told
from flatrender_render.domain import TERMINAL, Step, overall_progress
from flatrender_render.farm.tempo import Tempo, eta_seconds

_TEMPO = """
SELECT package_sha256 FROM render.render_jobs WHERE tenant_id = $1 AND id = $2
"""
_MISSED = """
SELECT missing_frames, corrupt_frames, attempt, max_attempts FROM render.frame_repair_jobs
WHERE tenant_id = $1 AND job_id = $2 AND created_at > to_timestamp($3::float8 / 1000)
ORDER BY created_at LIMIT 50
"""


class StreamService:
    """Makes the message stream that WebSocket and server-sent events both carry."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._verifier = context.infra.security.token_verifier(context.port(KeySource))
        self._audience = Audience(context.infra.hub, context.clock)

    async def open_ticket(self, token: str | None, job_id: UUID) -> WatchClaims | None:
        """Return the claims of a watch token for this job; None for another job's token.

        Raises ``Unauthorized`` when the token does not hold or its session ended.
        """
        if not token:
            raise Unauthorized()
        claims = await self._verifier.watch(token)
        if claims.sid and not await self._context.port(SessionLedger).session_live(claims.sid):
            raise Unauthorized()
        return claims if claims.job_id == job_id else None

    async def messages(
        self, claims: WatchClaims, last_id: str | None = None
    ) -> AsyncIterator[Told]:
        """Yield ``hello`` and then everything until the job ends.

        ``last_id`` is the ``id`` of the last message that a reconnecting watcher has seen: it is
        told of the repairs that it missed, and its progress does not go back. Raises
        ``NotFound``; ``Unauthorized`` when the session ends meanwhile; ``Unavailable``.
        """
        security = self._context.infra.security
        vigil = security.vigil(claims, self._context.port(SessionLedger))
        mark = mark_of(last_id)

        async def ending() -> dict[str, Any] | None:
            view = await self._view(claims)
            return await self._ending(claims, view) if Step(view.step) in TERMINAL else None

        async with self._audience.seat(claims.job_id, ending) as (seat, pace):
            view = await self._view(claims)
            hello = await self._hello(claims, view, mark)
            yield self._told(hello)
            if Step(view.step) in TERMINAL:
                yield self._told(await self._ending(claims, view))
                return
            pace.seen(hello)
            if mark is not None:
                for missed in await self._missed(claims, mark):
                    yield self._told(missed)
            async for one in follow(seat, vigil, float(hello["progress"])):
                yield one

    def _told(self, message: dict[str, Any]) -> Told:
        return told(message, int(self._context.clock.now().timestamp() * 1000))

    async def _missed(self, claims: WatchClaims, mark: Mark) -> list[dict[str, Any]]:
        rows = await self._context.db.reads.records(
            claims.tenant_id, _MISSED, claims.tenant_id, claims.job_id, float(mark.moment)
        )
        return [{"type": "frame_repair", "job_id": str(claims.job_id), **dict(r)} for r in rows]

    async def _view(self, claims: WatchClaims) -> queries.JobView:
        found = await queries.job_of(
            self._context.db.reads, claims.tenant_id, claims.user_id, claims.job_id
        )
        if found is None:
            raise NotFound()
        return found

    async def _hello(
        self, claims: WatchClaims, view: queries.JobView, mark: Mark | None
    ) -> dict[str, Any]:
        step = Step(view.step)
        progress = round(overall_progress(step, view.drawn_frames, view.total_frames), 4)
        if mark is not None:
            progress = max(progress, mark.progress)
        return {
            "type": "hello",
            "job_id": str(view.id),
            "step": view.step,
            "progress": progress,
            "current_frame": view.drawn_frames,
            "total_frames": view.total_frames,
            "eta_seconds": None if step in TERMINAL else await self._eta(claims, view),
            "resumed": mark is not None,
            "protocol": "flatrender.v1",
        }

    async def _eta(self, claims: WatchClaims, view: queries.JobView) -> float | None:
        package = await self._context.db.reads.value(
            claims.tenant_id, _TEMPO, claims.tenant_id, view.id
        )
        tempo = self._context.get(Tempo)
        typical = await tempo.typical(claims.tenant_id, package or "", view.resolution)
        spent = None
        if view.started_at is not None:
            spent = max(0.0, (self._context.clock.now() - view.started_at).total_seconds())
        return eta_seconds(
            drawn=view.drawn_frames, total=view.total_frames, spent=spent, typical=typical
        )

    async def _ending(self, claims: WatchClaims, view: queries.JobView) -> dict[str, Any]:
        """Return the last message, from the database: a watcher that came late gets the same."""
        base = self._context.infra.settings.http.public_url.rstrip("/")
        message: dict[str, Any] = {"job_id": str(view.id), "step": view.step}
        if view.step == Step.DONE and view.export_id is not None:
            found = await queries.export_of(
                self._context.db.reads, claims.tenant_id, claims.user_id, view.export_id
            )
            return {
                **message,
                "type": "done",
                "progress": 1.0,
                "current_frame": view.total_frames,
                "total_frames": view.total_frames,
                "export_id": str(view.export_id),
                "output_url": f"{base}/v1/exports/{view.export_id}/download",
                "thumbnail_url": f"{base}/v1/exports/{view.export_id}/thumbnail",
                "duration_sec": view.duration,
                "size_bytes": found.size_bytes if found else 0,
                "compute_seconds": round(view.compute_seconds, 3),
            }
        if view.step == Step.FAILED:
            return {
                **message,
                "type": "failed",
                "code": view.error_code,
                "message": view.error_en,
                "message_fa": view.error_fa,
                "retryable": bool(view.retryable),
            }
        return {**message, "type": "cancelled"}
