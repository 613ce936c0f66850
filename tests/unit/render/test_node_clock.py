"""A node learns the farm's time from refusals, and outlasts seconds that the farm has forgotten."""

import time
from email.utils import formatdate
from uuid import uuid4

import httpx
import pytest

from flatrender.security.secrets import Secret
from flatrender_render.farm import remote, wire
from flatrender_render.farm.remote import FarmClient, FarmRefused

AHEAD = 7_200.0  # seconds by which the farm's clock is ahead of the node's


async def client_of(refusals: int) -> tuple[FarmClient, list[int]]:
    """Return a client of a farm that takes no time so often, and the times it is sent."""
    sent: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(int(request.headers["x-node-timestamp"]))
        date = {"date": formatdate(time.time() + AHEAD - 1, usegmt=True)}  # a second behind
        if len(sent) <= refusals:
            return httpx.Response(401, headers=date, json={"code": "signature_expired"})
        return httpx.Response(204)

    client = FarmClient("http://farm.test", uuid4(), Secret("s" * 32))
    await client.http.aclose()
    client.http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return client, sent


@pytest.mark.parametrize("refusals", [1, 2, 4])
async def test_a_refused_time_is_learned_and_tried_again(
    refusals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_CLOCK_PAUSE", 0.0)
    client, sent = await client_of(refusals)
    assert await client.call(f"{wire.API}/pulse", None, wire.PulseAnswer) is None
    assert len(sent) == refusals + 1
    assert abs(sent[0] - time.time()) < 60
    assert all(abs(at - time.time() - AHEAD) < 60 for at in sent[1:])
    await client.close()


async def test_a_farm_that_never_takes_it_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_CLOCK_PAUSE", 0.0)
    client, sent = await client_of(99)
    with pytest.raises(FarmRefused, match="signature_expired"):
        await client.call(f"{wire.API}/pulse", None, wire.PulseAnswer)
    assert len(sent) == 5
    await client.close()
