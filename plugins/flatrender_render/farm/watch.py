"""Telling the watchers of a job how it goes: progress, steps, the end."""

from typing import Any
from uuid import UUID

from msgspec.structs import asdict

from flatrender.plugin import PluginContext
from flatrender_render.domain import Step, overall_progress
from flatrender_render.farm.claims import JobFacts
from flatrender_render.farm.failures import Verdict
from flatrender_render.farm.repairs import RepairNote
from flatrender_render.farm.tempo import eta_of
from flatrender_render.live import announce

_DRAWING = frozenset({Step.QUEUED, Step.PREPARING, Step.RENDERING, Step.REPAIRING})


class ProgressTeller:
    """Announces what happens to one job."""

    def __init__(self, context: PluginContext, job_id: UUID, total_frames: int) -> None:
        self._context = context
        self._job_id = job_id
        self._total = total_frames

    async def progress(
        self, facts: JobFacts, preview: str | None = None, *, typical: float | None = None
    ) -> None:
        """Announce how far the whole job is; ``preview`` is a small JPEG as a data URL.

        ``typical`` is what a frame took in recent jobs of the template, in seconds.
        """
        message: dict[str, Any] = {
            "type": "progress",
            "step": facts.step,
            "progress": round(overall_progress(Step(facts.step), facts.drawn, facts.total), 4),
            "current_frame": facts.drawn,
            "total_frames": facts.total,
            "eta_seconds": eta_of(facts, typical),
            "active_nodes": facts.nodes,
            "message": "",
        }
        if preview:
            message["preview_b64"] = preview
        await announce(self._context, self._job_id, message)

    async def step(self, step: Step) -> None:
        """Announce that the job entered a step."""
        message: dict[str, Any] = {"type": "step_change", "step": str(step)}
        if step not in _DRAWING:  # there, how far it is depends on the frames
            message["progress"] = overall_progress(step, 0, self._total)
        await announce(self._context, self._job_id, message)

    async def repair(self, note: RepairNote) -> None:
        """Announce that frames are made again."""
        message = {"type": "frame_repair", **asdict(note)}
        await announce(self._context, self._job_id, message)

    async def node_event(self, event: str) -> None:
        """Announce that a node lost its attempt; another try follows by itself."""
        await announce(self._context, self._job_id, {"type": "node_event", "event": event})

    async def done(self) -> None:
        """Announce the finished export."""
        message = {"type": "done", "step": str(Step.DONE)}  # streams read the rest where it lies
        await announce(self._context, self._job_id, message)

    async def failed(self, verdict: Verdict) -> None:
        """Announce that the job failed."""
        message = {"type": "failed", "step": str(Step.FAILED), "code": verdict.code}
        await announce(self._context, self._job_id, message)
