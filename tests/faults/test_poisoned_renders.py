"""A video that kills the render process that draws it, on real workers: a real SIGSEGV.

The workers here run an engine of the tests' own under the name of the embedded one. It is that
one, except that words of a film which say so make it read address zero in the middle of a range.
It is installed as any engine is, by entry point, and for these processes only.
"""

import contextlib
import os
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from flatrender.testing.workers import process

pytestmark = pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)
POISON = "زهر"
NODES = 3
_ENGINE = f'''
import ctypes
import resource

from flatrender_render.engines.lottie import LottieEngine


class Deadly:
    def __init__(self, session):
        self.session = session

    def __getattr__(self, name):
        return getattr(self.session, name)

    def render_range(self, first, last, sink, should_stop):
        self.session.render_range(first, (first + last) // 2, sink, should_stop)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        ctypes.string_at(0)


class Engine(LottieEngine):
    def open(self, spec):
        session = super().open(spec)
        words = [value for scene in spec.composition.scenes for value in scene.values.values()]
        return Deadly(session) if "{POISON}" in words else session
'''


@pytest.fixture
def brittle(tmp_path: Path) -> dict[str, str]:
    """Return the environment of processes whose embedded engine is the brittle one."""
    installed = distribution("flatrender")
    points = "".join(
        f"[{point.group}]\n{point.name} = {point.value}\n"
        for point in installed.entry_points
        if (point.group, point.name) != ("flatrender.engines", "lottie")
    )
    # Found before the installed one of the same name, it takes its place.
    info = tmp_path / f"flatrender-{installed.version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(installed.read_text("METADATA") or "")
    (info / "entry_points.txt").write_text(
        f"{points}[flatrender.engines]\nlottie = brittle:Engine\n"
    )
    (tmp_path / "brittle.py").write_text(_ENGINE)
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(path)}


async def test_a_video_that_kills_whoever_draws_it(
    island: Any, freezer: Any, check: Any, rich: Any, brittle: dict[str, str]
) -> None:
    """It fails with words for its owner and all money back; nodes and other videos go on."""
    platform = island.lot.platform
    sound = await rich(island.lot)
    poisoned = await island.lot.customer("long", plan="plus")
    await poisoned.give_charge(1_000_000)
    await poisoned.fill({"headline": POISON}, scene=1)
    before = await poisoned.limits()
    async with contextlib.AsyncExitStack() as stack:
        bad = await poisoned.submit("540p")
        good = await sound.submit("540p")
        for _ in range(NODES):
            await stack.enter_async_context(process({**island.environment, **brittle}))
        failed = await poisoned.ended(bad["id"], within=240)
        assert failed["step"] == "Failed"
        failure = failed["failure"]
        assert failure["code"] == "template_broken"
        assert failure["message_fa"]
        assert "template" in failure["message_en"]
        await check(sound, good["id"])
    released = await poisoned.reservation(bad["id"], "Released")
    assert (released["released_minor"], released["count_given_back"]) == (2000, True)
    assert await poisoned.limits() == before, "all of it is back, once"
    given = await platform.sql(
        "SELECT sum(reserved_delta_minor)::int AS held, sum(delta_minor)::int AS paid "
        "FROM identity.render_charge_ledger WHERE job_id = $1",
        UUID(bad["id"]),
    )
    assert tuple(given[0]) == (0, 0)
    crashes = await platform.sql(
        "SELECT error_code, error_message, node_id FROM render.frame_attempts "
        "WHERE job_id = $1 AND outcome = 'Failed'",
        UUID(bad["id"]),
    )
    assert {row["error_code"] for row in crashes} == {"worker_crashed", "template_broken"}
    assert all(row["error_message"].endswith("with status -11") for row in crashes)

    async def noted() -> bool:  # a machine's crash is its own report, after the job's end
        nodes = await platform.sql(
            "SELECT crash_count > 0 AS crashed, consecutive_failures, quarantined_at, rest_until "
            "FROM render.nodes WHERE id = ANY ($1)",
            [row["node_id"] for row in crashes],
        )
        return {tuple(row) for row in nodes} == {(True, 0, None, None)}

    assert await platform.until(noted)
