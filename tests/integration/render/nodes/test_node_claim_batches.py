"""A machine outside with several slots asks for all of them at once."""

from typing import Any
from uuid import UUID

import pytest

from flatrender_render.farm import wire
from flatrender_render.farm.claims import StaleEpoch
from flatrender_render.farm.remote import FarmRefused, HttpLink


async def test_free_slots_are_filled_by_one_call(farm: Any) -> None:
    customer = await farm.lot.customer("long")
    node = await farm.enrol()
    async with node.joined(slots=3) as client:
        job = await customer.submit()
        link = HttpLink(client, wait=5.0)
        found = await link.claim_many(["lottie"], 8)
        ours = [claim for claim in found if str(claim.job.id) == job["id"]]
        assert 1 < len(found) <= 3, "no more than it has slots"
        assert ours
        assert len({claim.id for claim in found}) == len(found)
        for claim in ours:
            await link.begin(claim)
            await link.beat(claim, 1, None)
        await link.give_back(ours[0])
        with pytest.raises(StaleEpoch):
            await link.beat(ours[0], 1, None)
        await link.beat(ours[1], 2, None)
        rows = await farm.platform.sql(
            "SELECT count(*) FROM render.frame_attempts WHERE job_id = $1 AND node_id = $2",
            UUID(job["id"]),
            node.id,
        )
        assert rows[0][0] == len(ours)


async def test_a_batch_waits_for_its_first_piece_only(farm: Any) -> None:
    node = await farm.enrol()
    async with node.joined(slots=2, engines={"nobody-draws-this": "1"}) as client:
        assert await HttpLink(client, wait=0.0).claim_many(["nobody-draws-this"], 2) == []


@pytest.mark.parametrize("most", [0, wire.MOST_CLAIMS + 1])
async def test_a_batch_is_bounded(farm: Any, most: int) -> None:
    node = await farm.enrol()
    async with node.joined() as client:
        ask = wire.AskMany(engines=["lottie"], most=most)
        with pytest.raises(FarmRefused) as refused:
            await client.call(f"{wire.API}/claims/batch", ask, wire.Claims)
    assert refused.value.status == 422
