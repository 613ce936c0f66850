"""Telling the watchers of a job how it goes: progress, steps, the end."""

from typing import Any

from msgspec.structs import asdict

from flatrender.plugin import PluginContext
from flatrender_render.domain import Step, overall_progress
from flatrender_render.farm.claims import Claim, JobFacts, progress_of
from flatrender_render.farm.failures import Verdict
from flatrender_render.farm.repairs import RepairNote
from flatrender_render.live import announce

_DRAWING = frozenset({Step.QUEUED, Step.PREPARING, Step.RENDERING, Step.REPAIRING})


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
        message: dict[str, Any] = {"type": "step_change", "step": str(step)}
        if step not in _DRAWING:  # there, how far it is depends on the frames
            message["progress"] = overall_progress(step, 0, self._job.total_frames)
        await announce(self._context, self._job.id, message)

    async def repair(self, note: RepairNote) -> None:
        """Announce that frames are made again."""
        message = {"type": "frame_repair", **asdict(note)}
        await announce(self._context, self._job.id, message)

    async def node_event(self, event: str) -> None:
        """Announce that a node lost its attempt; another try follows by itself."""
        await announce(self._context, self._job.id, {"type": "node_event", "event": event})

    async def done(self) -> None:
        """Announce the finished export."""
        message = {"type": "done", "step": str(Step.DONE)}  # streams read the rest where it lies
        await announce(self._context, self._job.id, message)

    async def failed(self, verdict: Verdict) -> None:
        """Announce that the job failed."""
        message = {"type": "failed", "step": str(Step.FAILED), "code": verdict.code}
        await announce(self._context, self._job.id, message)
