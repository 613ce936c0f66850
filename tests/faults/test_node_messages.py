"""Messages of nodes over the network that come twice, late, and in the wrong order."""

import contextlib
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import pytest

from flatrender.testing.workers import worker
from flatrender_render.farm.claims import StaleEpoch
from flatrender_render.farm.link import Failure
from flatrender_render.farm.remote import ANSWER_SECONDS, FarmClient, HttpLink
from flatrender_render.farm.reports import Piece
from flatrender_render.node.agent import NodeAgent
from flatrender_render.node.settings import NodeSettings

pytestmark = pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)
T = TypeVar("T")
_SAID = ("begin", "beat", "enter", "complete", "finish")


class Echo(FarmClient):
    """A node's client over a network that delivers every report twice, one after the other."""

    def __init__(self, node: Any) -> None:
        super().__init__(f"http://{node.farm.address}", node.id, node.secret)
        self.said: list[tuple[str, msgspec.Struct | None]] = []

    async def call(
        self,
        path: str,
        body: msgspec.Struct | None,
        kind: type[T],
        *,
        within: float = ANSWER_SECONDS,
    ) -> T | None:
        """As every client's, and again."""
        answer = await super().call(path, body, kind, within=within)
        if "/claims/" in path and path.rpartition("/")[2] in _SAID:
            self.said.append((path, body))
            with contextlib.suppress(StaleEpoch):  # an answer that nobody waits for
                await super().call(path, body, kind, within=within)
        return answer


async def _rows(platform: Any, job_id: str) -> list[dict[str, Any]]:
    """Return all that a report can change of a job."""
    found: list[dict[str, Any]] = []
    for table, column in (("render_jobs", "id"), ("frame_jobs", "job_id"), ("exports", "job_id")):
        found += map(
            dict,
            await platform.sql(
                f"SELECT * FROM render.{table} WHERE {column} = $1 ORDER BY id", UUID(job_id)
            ),
        )
    return found


async def test_everything_a_node_says_comes_twice_and_once_more_backwards(
    farm: Any, island: Any, rich: Any, check: Any, tmp_path: Path
) -> None:
    """Also heartbeats after the work is done; the video is that of an undisturbed run."""
    customer = await rich(farm.lot)
    node = await farm.enrol()
    client = Echo(node)
    settings = NodeSettings(
        url="", node_id=node.id, secret=node.secret, folder=tmp_path, slots=1, wait=1.0
    )
    async with node.at_work(tmp_path, agent=NodeAgent(settings, client)):
        job = await customer.submit("540p")
        assert (await customer.ended(job["id"]))["step"] == "Done"

        async def heard() -> bool:  # the job is done before the node has read the answer
            return {path.rpartition("/")[2] for path, _ in client.said} == set(_SAID)

        await farm.platform.until(heard)
    before = await _rows(farm.platform, job["id"])
    reports = [one for one in client.said if not one[0].endswith(("complete", "finish", "begin"))]
    taken = [one for one in client.said if one not in reports]
    async with node.joined() as late:
        for path, body in reversed(reports):
            with pytest.raises(StaleEpoch):
                await late.call(path, body, dict)
        for path, body in reversed(taken):  # of these the answer may have been lost
            await late.call(path, body, dict)
    assert await _rows(farm.platform, job["id"]) == before
    (counted,) = await farm.platform.sql(
        "SELECT sum(stale_reports)::int AS n FROM render.frame_attempts WHERE job_id = $1",
        UUID(job["id"]),
    )
    assert counted["n"] >= len(reports)
    async with worker(island.environment):
        await check(customer, job["id"])


@pytest.mark.parametrize("first", ["late", "own"])
@pytest.mark.parametrize("says", ["complete", "fail", "release"])
async def test_the_reports_of_two_attempts_in_either_order(
    farm: Any, first: str, says: str
) -> None:
    """What the lost attempt says comes before or after the result of the one that took over."""
    async with farm.holding() as held:
        lost = held.claim
        await held.link.files(lost).put(lost.object_key("mp4"), b"the lost one's")
        await farm.platform.sql(
            "UPDATE render.frame_jobs SET lease_until = now() - interval '1 s' WHERE id = $1",
            lost.id,
        )
        await farm.sweep()
        node = await farm.enrol()
        async with node.joined() as client:
            link = HttpLink(client, wait=5.0)
            own = await link.claim("lottie")
            assert own is not None
            assert (own.id, own.epoch) == (lost.id, lost.epoch + 1)
            key = own.object_key("mp4")
            await link.files(own).put(key, b"good")

            async def late() -> None:
                if says == "release":
                    await held.link.give_back(lost)  # nothing of its own is left to give
                    return
                report = (
                    held.link.fail(lost, Failure(code="template_broken", message="no"))
                    if says == "fail"
                    else held.link.complete(lost, _piece(lost.object_key("mp4"), 14), None)
                )
                with pytest.raises(StaleEpoch):
                    await report

            if first == "late":
                await late()
            await link.complete(own, _piece(key, 4), None)
            if first == "own":
                await late()
            with pytest.raises(StaleEpoch):  # a heartbeat that was overtaken by the result
                await link.beat(own, 5, None)
        (row,) = await farm.platform.sql(
            "SELECT f.state, f.epoch, f.object_key, f.blamed_attempts, j.step "
            "FROM render.frame_jobs f JOIN render.render_jobs j ON j.id = f.job_id "
            "WHERE f.id = $1",
            own.id,
        )
        assert tuple(row) == ("Done", own.epoch, key, 0, "Rendering")


def _piece(key: str, size: int) -> Piece:
    return Piece(object_key=key, sha256="0" * 64, frames=60, packets=60, bytes=size)
