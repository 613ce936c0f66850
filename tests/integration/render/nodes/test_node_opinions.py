"""One machine outside that calls a template broken may be so itself: another one tries first."""

import hashlib
from typing import Any

from flatrender_render.farm.link import Failure
from flatrender_render.farm.remote import HttpLink
from flatrender_render.farm.reports import Piece

_BROKEN = Failure(code="template_broken", message="no such comp")


async def _step(farm: Any, claim: Any) -> str:
    (row,) = await farm.platform.sql(
        "SELECT step FROM render.render_jobs WHERE id = $1", claim.job.id
    )
    return str(row["step"])


async def test_two_nodes_must_say_that_a_template_is_broken(farm: Any) -> None:
    async with farm.holding() as held:
        other, third = await farm.enrol(), await farm.enrol()
        async with other.joined() as client, third.joined():
            await held.link.begin(held.claim)
            await held.link.fail(held.claim, _BROKEN)
            assert await _step(farm, held.claim) == "Rendering"
            (block,) = await farm.platform.sql(
                "SELECT node_id, reason FROM render.job_node_blocks WHERE job_id = $1",
                held.claim.job.id,
            )
            assert (block["node_id"], block["reason"]) == (held.node.id, "template_broken")
            link = HttpLink(client, wait=5.0)
            again = await link.claim("lottie")
            assert again is not None
            assert again.id == held.claim.id
            await link.fail(again, _BROKEN)
        assert await _step(farm, held.claim) == "Failed"


async def test_a_node_that_works_is_believed_more(farm: Any) -> None:
    """What one calls broken another one draws: the customer never hears of it."""
    async with farm.holding() as held:
        other = await farm.enrol()
        async with other.joined() as client:
            await held.link.fail(held.claim, Failure(code="input_missing", message="no picture"))
            link = HttpLink(client, wait=5.0)
            again = await link.claim("lottie")
            assert again is not None
            assert again.id == held.claim.id
            await link.begin(again)
            assert await _step(farm, held.claim) == "Rendering"
            await link.files(again).put(again.object_key("mp4"), b"drawn")
            piece = Piece(
                object_key=again.object_key("mp4"),
                sha256=hashlib.sha256(b"drawn").hexdigest(),
                frames=again.frames,
                packets=again.frames,
                bytes=5,
            )
            await link.complete(again, piece, None)
        (row,) = await farm.platform.sql(
            "SELECT state FROM render.frame_jobs WHERE id = $1", held.claim.id
        )
        assert row["state"] == "Done"


async def test_where_nobody_else_could_try_one_word_is_enough(farm: Any) -> None:
    async with farm.holding() as held:
        await farm.platform.sql(
            "UPDATE render.nodes SET status = 'Offline' WHERE id <> $1", held.node.id
        )
        await held.link.fail(held.claim, _BROKEN)
        assert await _step(farm, held.claim) == "Failed"
