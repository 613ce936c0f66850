"""Stills of all scenes at once: drawn once, counted, and public where asked for."""

import secrets
from typing import Any
from urllib.parse import urlsplit

import httpx


async def ask(customer: Any, key: str | None = None, **body: Any) -> Any:
    """Ask for every scene of the customer's project."""
    return await customer.call(
        "POST",
        f"/v1/saved-projects/{customer.saved['id']}/snapshots",
        body,
        **{"Idempotency-Key": key or secrets.token_hex(8)},
    )


async def drawn(customer: Any, answer: Any) -> Any:
    """Return the stills once all are drawn."""
    assert answer.status_code == 202, answer.text
    path = f"/v1/saved-projects/{customer.saved['id']}/snapshots/{answer.json()['id']}"

    async def look() -> Any:
        found = await customer.get(path)
        return found if found["progress"] == 1.0 else None

    return await customer.platform.until(look, within=180)


async def test_every_scene_is_drawn_once_and_shown_in_order(lot: Any) -> None:
    customer = await lot.customer("long")
    answer = await ask(customer, width=320)
    assert [s["cached"] for s in answer.json()["scenes"]] == [False, False]
    found = await drawn(customer, answer)
    assert (found["total"], found["done"], found["failed"]) == (2, 2, 0)
    assert [s["saved_scene_id"] for s in found["scenes"]] == [
        s["id"] for s in customer.saved["scenes"]
    ]
    for shown in found["scenes"]:
        assert (shown["width"], shown["height"], shown["public_url"]) == (320, 180, None)
        assert (await customer.call("GET", urlsplit(shown["url"]).path)).status_code == 302
    again = (await ask(customer, width=320)).json()
    assert (again["progress"], again["done"]) == (1.0, 2)
    assert [s["cached"] for s in again["scenes"]] == [True, True]
    assert [s["snapshot_id"] for s in again["scenes"]] == [
        s["snapshot_id"] for s in found["scenes"]
    ]
    scene = customer.saved["scenes"][1]["id"]
    body = {"saved_project_id": customer.saved["id"], "saved_scene_id": scene, "width": 320}
    single = await customer.call("POST", "/v1/snapshots", body)
    assert (single.status_code, single.json()["cached"]) == (200, True), "one store for both"


async def test_only_the_scene_that_changed_is_drawn_again(lot: Any) -> None:
    customer = await lot.customer("long")
    await drawn(customer, await ask(customer, width=320))
    await customer.fill({"headline": "تازه"}, scene=1)
    answer = await ask(customer, width=320)
    assert [s["cached"] for s in answer.json()["scenes"]] == [True, False]
    await drawn(customer, answer)


async def test_public_addresses_stay_and_need_no_account(lot: Any) -> None:
    customer = await lot.customer("long")
    found = await drawn(customer, await ask(customer, width=320, permanent=True))
    urls = [s["public_url"] for s in found["scenes"]]
    assert len(set(urls)) == 2
    client = customer.platform.client
    answer = await client.get(urlsplit(urls[0]).path)
    assert answer.status_code == 302, answer.text
    async with httpx.AsyncClient() as store:
        assert (await store.get(answer.headers["location"])).content[:4] == b"\x89PNG"
    again = (await ask(customer, width=320, permanent=True)).json()
    assert [s["public_url"] for s in again["scenes"]] == urls
    private = (await ask(customer, width=320)).json()
    assert {s["public_url"] for s in private["scenes"]} == {None}
    missing = await client.get(f"/p/{secrets.token_urlsafe(18)}")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_strangers_see_nothing_of_it(lot: Any) -> None:
    customer, stranger = await lot.customer("long"), await lot.customer()
    answer = await ask(customer, width=320)
    path = f"/v1/saved-projects/{customer.saved['id']}/snapshots"
    assert (await stranger.call("POST", path, {})).status_code == 404
    assert (await stranger.call("GET", f"{path}/{answer.json()['id']}")).status_code == 404


async def test_a_known_snapshot_follows_its_project(lot: Any) -> None:
    """What a process remembers of a project ends with the project's version."""
    customer = await lot.customer("long")
    body = {"saved_project_id": customer.saved["id"], "time": 1.0, "width": 320}
    first = await customer.call("POST", "/v1/snapshots", body)
    same = await customer.call("POST", "/v1/snapshots", body)
    assert same.json()["id"] == first.json()["id"]
    await customer.fill({"headline": "دیگر"})
    changed = await customer.call("POST", "/v1/snapshots", body)
    assert changed.json()["id"] != first.json()["id"]
    stranger = await lot.customer()
    assert (await stranger.call("POST", "/v1/snapshots", body)).status_code == 404
