"""Telling the watchers of a job how it goes: progress, steps, the end."""

from typing import Any
from uuid import UUID

from flatrender.plugin import PluginContext
from flatrender_render.domain import Step, overall_progress
from flatrender_render.farm.claims import Claim, JobFacts, progress_of
from flatrender_render.farm.failures import Verdict
from flatrender_render.farm.reports import FinishedExport
from flatrender_render.live import announce


class ProgressTeller:
    """Collects what one frame job says and announces it for the whole job."""

    def __init__(self, context: PluginContext, claim: Claim) -> None:
        self._context = context
        self._job = claim.job
        self.frames = 0
        self._preview: str | None = None

    def note(self, done: int, preview: str | None) -> None:
        """Take what the render process says; sent with the next heartbeat."""
        self.frames = max(self.frames, done)
        self._preview = preview or self._preview

    async def tell(self, facts: JobFacts) -> None:
        """Announce progress of the whole job."""
        preview, self._preview = self._preview, None
        message: dict[str, Any] = {
            "type": "progress",
            "step": facts.step,
            "progress": round(overall_progress(Step(facts.step), facts.drawn, facts.total), 4),
            "current_frame": facts.drawn,
            "total_frames": facts.total,
            "eta_seconds": facts.eta_seconds,
            "active_nodes": facts.nodes,
            "message": "",
        }
        if preview:
            message["preview_b64"] = preview
        await announce(self._context, self._job.id, message)

    async def piece_done(self) -> None:
        """Announce how the job stands after one of its pieces came in."""
        async with self._context.db.system("farm progress") as work:
            facts = await progress_of(work, self._job.id)
        await self.tell(facts)

    async def step(self, step: Step) -> None:
        """Announce that the job entered a step."""
        await announce(
            self._context,
            self._job.id,
            {
                "type": "step_change",
                "step": str(step),
                "progress": overall_progress(step, self._job.total_frames, self._job.total_frames),
            },
        )

    async def done(self, export_id: UUID, export: FinishedExport) -> None:
        """Announce the finished export."""
        base = self._context.infra.settings.http.public_url.rstrip("/")
        await announce(
            self._context,
            self._job.id,
            {
                "type": "done",
                "step": str(Step.DONE),
                "progress": 1.0,
                "export_id": str(export_id),
                "output_url": f"{base}/v1/exports/{export_id}/download",
                "thumbnail_url": f"{base}/v1/exports/{export_id}/thumbnail",
                "duration_sec": export.duration,
                "size_bytes": export.piece.bytes,
            },
        )

    async def failed(self, verdict: Verdict) -> None:
        """Announce that the job failed."""
        await announce(
            self._context,
            self._job.id,
            {
                "type": "failed",
                "step": str(Step.FAILED),
                "code": verdict.code,
                "message": verdict.explanation_en,
                "message_fa": verdict.explanation_fa,
                "retryable": verdict.retryable,
            },
        )
