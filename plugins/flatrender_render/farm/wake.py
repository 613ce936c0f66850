"""Waking workers: the arq tasks of the render queue. PostgreSQL decides what there is to do."""

from msgspec import Struct

from flatrender.plugin import PluginContext
from flatrender.tasks.task import Task


class Wake(Struct, frozen=True):
    """There may be frame jobs of this engine."""

    engine: str = "lottie"


async def work(context: PluginContext, wake: Wake) -> None:
    """Claim and do frame jobs until there are none for this worker."""
    from flatrender_render.farm.runner import Runner

    await context.get(Runner).work(wake.engine)


WORK = Task(
    name="render.work",
    queue="render",
    handler=work,
    payload=Wake,
    timeout=6 * 3600.0,  # the loop ends by itself; single frame jobs have watchdogs of their own
    max_attempts=3,
    backoff=1.0,
)
