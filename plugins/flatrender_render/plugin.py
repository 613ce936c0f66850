"""The render context's manifest: what it owns, offers and needs."""

from typing import ClassVar

from flatrender.contracts import render as contract
from flatrender.plugin import FlatRenderPlugin, Manifest
from flatrender_render.models import Base


class RenderPlugin(FlatRenderPlugin):
    """Render jobs, live progress, snapshots and exports."""

    manifest: ClassVar[Manifest] = Manifest(
        name="render",
        schema="render",
        summary="Render jobs, live progress, snapshots and exports.",
        emits=(
            contract.JobQueued,
            contract.JobStarted,
            contract.JobProgress,
            contract.JobCompleted,
            contract.JobFailed,
            contract.JobCancelled,
            contract.NodeOnline,
            contract.NodeCrashed,
        ),
        metadata=Base.metadata,
    )
