"""Live streams of a job: state first, then what is announced, coalesced and never backwards."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec

from flatrender.errors import NotFound, Unauthorized
from flatrender.plugin import PluginContext
from flatrender.security.ports import SessionLedger
from flatrender.security.tokens import KeySource, WatchClaims
from flatrender_render import queries
from flatrender_render.domain import TERMINAL, Step, overall_progress
from flatrender_render.live import PREVIEW_SECONDS, PROGRESS_SECONDS, channel

#: How long to wait for an announcement before asking the database whether the job ended anyway.
QUIET_SECONDS = 5.0
_ENDINGS = {"done", "failed", "cancelled"}


class _Pace:
    """What one watcher is told: progress coalesced to one per 500 ms, one preview per 2 s, and
    never backwards, though pieces report in any order."""

    def __init__(self, hello: dict[str, Any]) -> None:
        self._best = float(hello["progress"])
        self._step = str(hello["step"])
        self._held: dict[str, Any] | None = None
        self._preview: str | None = None
        self._next_progress = 0.0
        self._next_preview = 0.0

    def wait(self, now: float) -> float | None:
        """Return how long until held progress is due, None when none is held."""
        return None if self._held is None else max(0.0, self._next_progress - now)

    def take(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Hold progress; return anything else to be sent at once."""
        told = float(message.get("progress") or 0.0)
        late = told < self._best
        self._best = max(self._best, told)
        if message.get("type") == "progress":
            self._preview = message.pop("preview_b64", None) or self._preview
            # What comes late may still name a step that is over.
            step = self._step if late else str(message.get("step") or self._step)
            self._held = {**message, "progress": self._best, "step": step}
            return None
        if message.get("type") == "step_change":
            self._step = str(message["step"])
            self._held = None  # overtaken
            message["progress"] = self._best
        return message

    def due(self, now: float) -> dict[str, Any] | None:
        """Return the held progress once it may be sent."""
        if self._held is None or now < self._next_progress:
            return None
        message, self._held = self._held, None
        self._next_progress = now + PROGRESS_SECONDS
        if self._preview and now >= self._next_preview:
            message["preview_b64"], self._preview = self._preview, None
            self._next_preview = now + PREVIEW_SECONDS
        return message


class StreamService:
    """Makes the message stream that WebSocket and server-sent events both carry."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._verifier = context.infra.security.token_verifier(context.port(KeySource))

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

    async def messages(self, claims: WatchClaims) -> AsyncIterator[dict[str, Any]]:
        """Yield ``hello`` and then everything until the job ends.

        Raises ``NotFound``; ``Unauthorized`` when the session ends meanwhile; ``Unavailable``.
        """
        security = self._context.infra.security
        vigil = security.vigil(claims, self._context.port(SessionLedger))
        async with self._context.infra.hub.listen(channel(claims.job_id), limit=64) as listener:
            hello = await self._hello(claims)
            yield hello
            if Step(hello["step"]) in TERMINAL:
                yield await self._ending(claims)
                return
            pace = _Pace(hello)
            loop = asyncio.get_running_loop()
            while True:
                wait = pace.wait(loop.time())
                patience = QUIET_SECONDS if wait is None else wait
                data = await listener.next_message(min(patience, vigil.wait()))
                # Before anything is told: a busy stream is looked at as often as a silent one.
                await vigil.look()
                if data is not None:
                    message: dict[str, Any] = msgspec.json.decode(data)
                    if message.get("type") in _ENDINGS:
                        yield await self._ending(claims)
                        return
                    if (event := pace.take(message)) is not None:
                        yield event
                elif wait is None:
                    # Announcements may be lost; the database is not.
                    view = await self._view(claims)
                    if Step(view.step) in TERMINAL:
                        yield await self._ending(claims)
                        return
                if (progress := pace.due(loop.time())) is not None:
                    yield progress

    async def _view(self, claims: WatchClaims) -> queries.JobView:
        found = await queries.job_of(
            self._context.db.reads, claims.tenant_id, claims.user_id, claims.job_id
        )
        if found is None:
            raise NotFound()
        return found

    async def _hello(self, claims: WatchClaims) -> dict[str, Any]:
        view = await self._view(claims)
        step = Step(view.step)
        return {
            "type": "hello",
            "job_id": str(view.id),
            "step": view.step,
            "progress": round(overall_progress(step, view.drawn_frames, view.total_frames), 4),
            "current_frame": view.drawn_frames,
            "total_frames": view.total_frames,
            "protocol": "flatrender.v1",
        }

    async def _ending(self, claims: WatchClaims) -> dict[str, Any]:
        """Return the last message, from the database: a watcher that came late gets the same."""
        view = await self._view(claims)
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
