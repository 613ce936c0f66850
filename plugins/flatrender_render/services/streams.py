"""Live streams of a job: state first, then what is announced, coalesced and never backwards."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec

from flatrender.errors import NotFound, Unauthorized
from flatrender.plugin import PluginContext
from flatrender.security.tokens import KeySource, WatchClaims
from flatrender_render import queries
from flatrender_render.domain import Step, overall_progress
from flatrender_render.live import PROGRESS_SECONDS, channel

#: How long to wait for an announcement before asking the database whether the job ended anyway.
QUIET_SECONDS = 5.0
_ENDINGS = {"done", "failed", "cancelled"}


class StreamService:
    """Makes the message stream that WebSocket and server-sent events both carry."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._verifier = context.infra.security.token_verifier(context.port(KeySource))

    async def open_ticket(self, token: str | None, job_id: UUID) -> WatchClaims | None:
        """Return the claims of a watch token for this job; None for another job's token.

        Raises ``Unauthorized`` when the token does not hold.
        """
        if not token:
            raise Unauthorized()
        claims = await self._verifier.watch(token)
        return claims if claims.job_id == job_id else None

    async def messages(self, claims: WatchClaims) -> AsyncIterator[dict[str, Any]]:
        """Yield ``hello`` and then everything until the job ends. Raises ``NotFound``."""
        async with self._context.infra.hub.listen(channel(claims.job_id), limit=64) as listener:
            hello = await self._hello(claims)
            yield hello
            if Step(hello["step"]) in (Step.DONE, Step.FAILED, Step.CANCELLED):
                yield await self._ending(claims)
                return
            best = float(hello["progress"])
            last_sent = 0.0
            loop = asyncio.get_running_loop()
            held: dict[str, Any] | None = None
            while True:
                wait = QUIET_SECONDS
                if held is not None:
                    wait = max(0.0, last_sent + PROGRESS_SECONDS - loop.time())
                data = await listener.next_message(wait)
                if data is not None:
                    message: dict[str, Any] = msgspec.json.decode(data)
                    kind = message.get("type")
                    if kind == "progress":
                        # Pieces report in any order; what people see never goes back.
                        best = max(best, float(message.get("progress") or 0.0))
                        preview = (held or {}).get("preview_b64")
                        held = {**message, "progress": best}
                        if preview and "preview_b64" not in held:
                            held["preview_b64"] = preview
                    elif kind in _ENDINGS:
                        yield await self._ending(claims)
                        return
                    else:
                        best = max(best, float(message.get("progress") or 0.0))
                        yield message
                if held is not None and loop.time() - last_sent >= PROGRESS_SECONDS:
                    last_sent = loop.time()
                    yield held
                    held = None
                if data is None and held is None:
                    # Announcements may be lost; the database is not.
                    view = await self._view(claims)
                    if Step(view.step) in (Step.DONE, Step.FAILED, Step.CANCELLED):
                        yield await self._ending(claims)
                        return

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
