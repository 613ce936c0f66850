"""What is said about scans; that it is as published is looked at after each test of a node."""

from collections import Counter
from typing import Any

from flatrender.errors import FieldError
from flatrender_render.farm.link import Failure


async def test_what_is_said_about_scans_is_as_published(
    shop: Any, film_bundle: Any, node_traffic: Counter[str]
) -> None:
    """A scan given back, failed, kept and refused by hand; one that a node reads to its end."""
    shop.ae.behave()
    scan = await shop.ask(await shop.draft(), film_bundle("by hand"))
    async with shop.node() as link:
        await link.give_back(await link.claim("aerender"))
        await link.fail(await link.claim("aerender"), Failure(code="ae_runtime", message="again"))
    await shop.platform.sql("UPDATE render.scan_jobs SET not_before = now() - interval '1 s'")
    async with shop.node() as link:
        claim = await link.claim("aerender")
        await link.beat(claim)
        await link.refuse(claim, [FieldError(pointer="/", code="not_a_project")])
    assert (await shop.row(scan))["state"] == "Failed"
    whole = await shop.ask(await shop.draft(), film_bundle("whole"))
    async with shop.at_work():
        assert (await shop.ended(whole))["state"] == "Done"

        async def heard() -> bool:  # what it reported is done before it has read the answer
            return "scans/{id}/{epoch}/finish" in node_traffic

        await shop.platform.until(heard)
    assert {
        "scans", *(f"scans/{{id}}/{{epoch}}/{act}"
                   for act in ("beat", "links", "finish", "refuse", "fail", "release")),
    } <= node_traffic.keys()  # fmt: skip
