"""Slots of one machine that ask together: nothing is lost, nobody waits for company."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from flatrender.security.secrets import Secret
from flatrender_render.farm.remote import FarmClient, HttpLink
from flatrender_render.farm.together import Together


class Desk:
    """A farm's desk: answers when told to, and remembers what it was asked and given back."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.calls: asyncio.Queue[int] = asyncio.Queue()
        self.returned: list[Any] = []
        self.answers: asyncio.Queue[list[Any] | Exception] = asyncio.Queue()
        self.slots = Together(self.take, self.give_back)

    async def take(self, most: int) -> list[Any]:
        self.asked.append(most)
        self.calls.put_nowait(most)
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def give_back(self, claim: Any) -> None:
        self.returned.append(claim)

    def slot(self) -> asyncio.Task[Any]:
        """One slot asks."""
        return asyncio.create_task(self.slots.ask())

    async def asking(self) -> None:
        """Return once the next call is under way."""
        await asyncio.wait_for(self.calls.get(), 10)


async def test_who_asks_during_a_call_joins_the_next() -> None:
    desk = Desk()
    first = desk.slot()
    await desk.asking()
    rest = [desk.slot() for _ in range(3)]
    desk.answers.put_nowait(["a"])
    desk.answers.put_nowait(["b", "c"])
    assert await first == "a"
    assert sorted(map(str, await asyncio.gather(*rest))) == ["None", "b", "c"]
    assert desk.asked == [1, 3], "the first slot did not wait for the others"


async def test_what_comes_for_a_slot_that_stopped_goes_to_another_or_back() -> None:
    desk = Desk()
    slots = [desk.slot() for _ in range(3)]
    await desk.asking()
    slots[0].cancel()
    slots[1].cancel()
    late = desk.slot()
    await asyncio.gather(slots[0], slots[1], return_exceptions=True)
    desk.answers.put_nowait(["a", "b", "c"])
    assert {await slots[2], await late} | set(desk.returned) == {"a", "b", "c"}
    assert len(desk.returned) == 1


async def test_a_slot_that_is_told_to_stop_as_its_claim_comes_gives_it_back() -> None:
    desk = Desk()
    slot = desk.slot()
    await desk.asking()
    desk.answers.put_nowait(["a"])
    while desk.slots._asking is not None:  # the answer is there, the slot has not seen it
        await asyncio.sleep(0)
        if desk.slots._asking is None and not slot.done():
            slot.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slot
    assert desk.returned == ["a"]


async def test_a_failure_is_everybodys_and_the_next_ask_is_new() -> None:
    desk = Desk()
    slots = [desk.slot() for _ in range(2)]
    await desk.asking()
    desk.answers.put_nowait(ConnectionError("away"))
    for slot in slots:
        with pytest.raises(ConnectionError):
            await slot
    again = desk.slot()
    desk.answers.put_nowait(["a"])
    assert await again == "a"


async def test_nobody_hangs_when_the_machine_stops() -> None:
    desk = Desk()
    slots = [desk.slot() for _ in range(2)]
    await desk.asking()
    await desk.slots.close()
    assert await asyncio.gather(*slots) == [None, None]


async def test_a_node_asks_a_farm_that_is_older_for_one_at_a_time() -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        if request.url.path.endswith("/batch"):
            return httpx.Response(404, json={"code": "not_found", "detail": "no such path"})
        return httpx.Response(204)

    client = FarmClient("http://farm.test", uuid4(), Secret("s" * 32))
    await client.http.aclose()
    client.http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    link = HttpLink(client, wait=0.0)
    assert await link.claim_many(["lottie"], 4) == []
    assert await link.claim_many(["lottie"], 4) == []
    await client.close()
    assert paths == ["/v1/node/claims/batch", "/v1/node/claims", "/v1/node/claims"]
