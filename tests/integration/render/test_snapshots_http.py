"""Snapshots over HTTP: drawn once per content, seen by their owner only."""

import asyncio
import io
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest
from PIL import Image

from flatrender.contracts.studio import SavedProjects
from flatrender.testing.packages import picture
from flatrender.testing.platform import Platform


async def shoot(customer: Any, scene: int = 0, **body: Any) -> Any:
    """Ask for a snapshot and wait for it."""
    wanted = {
        "saved_project_id": customer.saved["id"],
        "saved_scene_id": customer.saved["scenes"][scene]["id"],
        "width": 320,
        **body,
    }
    answer = await customer.call("POST", "/v1/snapshots", wanted)
    assert answer.status_code in {200, 202}, answer.text
    shot = answer.json()

    async def drawn() -> Any:
        found = await customer.get(f"/v1/snapshots/{shot['id']}")
        return found if found["url"] else None

    ready = await customer.platform.until(drawn)
    return {**ready, "cached": shot["cached"]}


async def pixels(customer: Any, shot: Any) -> Any:
    """Return the picture of a snapshot."""
    answer = await customer.call("GET", f"/v1/snapshots/{shot['id']}/image")
    assert answer.status_code == 302
    async with httpx.AsyncClient() as store:
        got = await store.get(answer.headers["location"])
    assert got.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(got.content)).convert("RGB")).astype(int)


async def test_a_snapshot_is_drawn_once(lot: Any) -> None:
    customer = await lot.customer("long")
    first = await shoot(customer, time=1.0)
    assert (first["cached"], first["width"], first["height"]) == (False, 320, 180)
    assert first["time"] == 1.0
    image = await pixels(customer, first)
    assert image.shape == (180, 320, 3)
    assert image.std() > 10
    again = await shoot(customer, time=1.0)
    assert (again["cached"], again["id"]) == (True, first["id"])
    other_time = await shoot(customer, time=0.5)
    assert other_time["id"] != first["id"]
    assert (await pixels(customer, other_time) != image).any()
    wide = await shoot(customer, time=1.0, width=640)
    assert (wide["width"], wide["height"]) == (640, 360)


async def test_a_picture_that_is_there_is_answered_without_composing_anew(
    lot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await lot.customer()
    first = await shoot(customer)
    assert (await shoot(customer))["id"] == first["id"]

    async def composed(*_: Any, **__: Any) -> None:
        raise AssertionError("composed again")

    source = customer.platform.runtime.port(SavedProjects)
    with monkeypatch.context() as patch:
        patch.setattr(type(source), "render_source", composed)
        assert (await shoot(customer))["id"] == first["id"]
    await customer.edit("", {"name": "renamed"}, "PATCH")  # another version, the same picture
    assert (await shoot(customer))["id"] == first["id"]


async def test_a_picture_is_not_answered_once_its_project_is_gone_or_anothers(lot: Any) -> None:
    customer = await lot.customer()
    await shoot(customer)
    assert (await shoot(customer))["cached"] is True
    body = {"saved_project_id": customer.saved["id"], "width": 320}
    stranger = await lot.customer()
    assert (await stranger.call("POST", "/v1/snapshots", body)).status_code == 404
    gone = await customer.call("DELETE", f"/v1/saved-projects/{customer.saved['id']}")
    assert gone.status_code in {200, 204}, gone.text
    assert (await customer.call("POST", "/v1/snapshots", body)).status_code == 404


async def test_only_what_is_seen_makes_a_new_picture(lot: Any) -> None:
    customer = await lot.customer("long")
    first = await shoot(customer)
    image = await pixels(customer, first)
    # Another scene, the music, the name: not in the picture.
    await customer.fill({"headline": "دیگر"}, scene=1)
    await customer.edit("/audio", {"music_volume": 0.1})
    await customer.edit("", {"name": "renamed"}, "PATCH")
    assert (await shoot(customer))["id"] == first["id"]
    # Its own text, its own colour, a shared colour: in the picture.
    await customer.fill({"headline": "تازه"})
    text = await shoot(customer)
    assert text["cached"] is False
    assert (await pixels(customer, text) != image).any()
    await customer.fill({"box": "#00ff00"})
    await customer.edit("/colors", {"colors": {"primary": "#ff0000"}})
    colour = await shoot(customer)
    assert colour["id"] not in {first["id"], text["id"]}
    assert tuple((await pixels(customer, colour))[-1, -1]) == (255, 0, 0)


async def test_a_snapshot_of_an_unfinished_project_shows_the_templates_own(lot: Any) -> None:
    customer = await lot.customer()
    await customer.fill({"headline": ""})
    assert (await shoot(customer))["url"]


async def test_two_at_once_draw_once(lot: Any, platform: Platform) -> None:
    customer = await lot.customer()
    await customer.fill({"box": f"#{uuid4().hex[:6]}"})
    shots = await asyncio.gather(*(shoot(customer) for _ in range(4)))
    assert len({shot["id"] for shot in shots}) == 1
    rows = await platform.sql(
        "SELECT state, attempts FROM render.snapshots WHERE id = $1", UUID(shots[0]["id"])
    )
    assert [tuple(row) for row in rows] == [("Done", 1)]


async def test_people_with_the_same_picture_share_the_bytes_and_nothing_else(
    lot: Any, platform: Platform
) -> None:
    one, two = await lot.customer(), await lot.customer()
    colour = f"#{uuid4().hex[:6]}"
    for customer in (one, two):
        await customer.fill({"box": colour})
    mine, theirs = await shoot(one), await shoot(two)
    assert mine["id"] != theirs["id"]
    assert (await two.call("GET", f"/v1/snapshots/{mine['id']}")).status_code == 404
    rows = await platform.sql(
        "SELECT DISTINCT object_key FROM render.snapshots WHERE id = ANY($1)",
        [UUID(mine["id"]), UUID(theirs["id"])],
    )
    assert len(rows) == 1
    assert (await pixels(one, mine) == await pixels(two, theirs)).all()


async def test_a_picture_that_cannot_be_read_is_told_and_tried_again_later(
    lot: Any, platform: Platform
) -> None:
    customer = await lot.customer()
    data = picture(color=f"#{uuid4().hex[:6]}")
    file_id = await customer.upload(data)
    await customer.fill({"photo": {"file_id": file_id}})
    (file,) = await platform.sql(
        "SELECT object_key FROM file_mgr.files WHERE id = $1", UUID(file_id)
    )
    storage = platform.runtime.infra.storage
    await storage.put(file["object_key"], b"\x89PNG\r\n\x1a\n broken", content_type="image/png")
    body = {"saved_project_id": customer.saved["id"]}
    failed = await customer.call("POST", "/v1/snapshots", body)
    assert (failed.status_code, failed.json()["code"]) == (422, "snapshot_failed")
    assert failed.json()["reason"] == "asset_lost"
    english = await customer.call("POST", "/v1/snapshots", body, **{"Accept-Language": "en"})
    assert "could not be read" in english.json()["detail"]
    await storage.put(file["object_key"], data, content_type="image/png")
    assert (await shoot(customer))["url"]


@pytest.mark.parametrize("body", [{"width": 5000}, {"time": -1}, {"time": 1e9}, {"watermark": 1}])
async def test_sizes_and_times_have_bounds(lot: Any, body: Any) -> None:
    customer = await lot.customer()
    wanted = {"saved_project_id": customer.saved["id"], **body}
    assert (await customer.call("POST", "/v1/snapshots", wanted)).status_code == 422


async def test_a_scene_of_another_project_does_not_exist(lot: Any) -> None:
    one, two = await lot.customer(), await lot.customer()
    body = {
        "saved_project_id": one.saved["id"],
        "saved_scene_id": two.saved["scenes"][0]["id"],
    }
    assert (await one.call("POST", "/v1/snapshots", body)).status_code == 404


async def test_a_time_past_the_end_shows_the_last_frame(lot: Any) -> None:
    customer = await lot.customer()
    assert (await shoot(customer, time=600))["time"] == round(59 / 30, 3)
