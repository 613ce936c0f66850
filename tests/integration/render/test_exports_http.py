"""Finished videos over HTTP: links that stay, pictures, lists and their end."""

import io
from typing import Any
from uuid import UUID

import httpx
import pytest
from PIL import Image

from flatrender.testing.platform import Platform


@pytest.fixture(scope="module")
async def owner(lot: Any) -> Any:
    """Somebody with three finished films."""
    customer = await lot.customer()
    customer.jobs = [await customer.submit() for _ in range(3)]
    customer.jobs = [await customer.ended(job["id"]) for job in customer.jobs]
    return customer


async def test_an_export_says_what_it_is(owner: Any) -> None:
    job = owner.jobs[0]
    export = await owner.get(f"/v1/exports/{job['export_id']}")
    assert export["job_id"] == job["id"]
    assert export["name"] == owner.saved["name"]
    assert (export["resolution"], export["aspect"], export["fps"]) == ("360p", "16:9", 30)
    assert export["watermark"] is True
    assert export["expires_at"] > export["created_at"], "the free plan keeps for seven days"
    base = f"http://testserver.local/v1/exports/{export['id']}"
    assert export["url"] == f"{base}/download"
    assert export["poster_url"] == f"{base}/poster"


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [
        ("poster", "JPEG", (640, 360)),
        ("thumbnail", "JPEG", (480, 270)),
        ("contact-sheet", "PNG", None),
    ],
)
async def test_its_pictures_are_pictures(owner: Any, name: str, kind: str, size: Any) -> None:
    answer = await owner.call("GET", f"/v1/exports/{owner.jobs[0]['export_id']}/{name}")
    assert (answer.status_code, answer.headers["cache-control"]) == (302, "no-store")
    async with httpx.AsyncClient() as store:
        got = await store.get(answer.headers["location"])
    with Image.open(io.BytesIO(got.content)) as image:
        assert image.format == kind
        assert size is None or image.size == size
        assert max(image.convert("L").tobytes()) > 50


async def test_a_download_is_named_for_people(owner: Any) -> None:
    answer = await owner.call("GET", f"/v1/exports/{owner.jobs[0]['export_id']}/download")
    async with httpx.AsyncClient() as store:
        got = await store.get(answer.headers["location"])
    assert got.headers["content-type"] == "video/mp4"
    assert "attachment" in got.headers["content-disposition"]
    assert ".mp4" in got.headers["content-disposition"]


async def test_no_other_picture_exists(owner: Any) -> None:
    answer = await owner.call("GET", f"/v1/exports/{owner.jobs[0]['export_id']}/secrets")
    assert answer.status_code in {404, 422}


@pytest.mark.parametrize("path", ["/v1/exports", "/v1/renders"])
async def test_lists_are_newest_first_and_page_by_cursor(owner: Any, path: str) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        page = await owner.get(f"{path}?page_size=2" + (f"&cursor={cursor}" if cursor else ""))
        assert len(page["data"]) <= 2
        seen += [row["created_at" if "export" in path else "submitted_at"] for row in page["data"]]
        if not page["meta"]["has_more"]:
            break
        cursor = page["meta"]["cursor"]
    assert len(seen) == 3
    assert seen == sorted(seen, reverse=True)


async def test_renders_can_be_asked_by_step(owner: Any) -> None:
    assert len((await owner.get("/v1/renders?step=Done"))["data"]) == 3
    assert (await owner.get("/v1/renders?step=Failed"))["data"] == []
    assert (await owner.call("GET", "/v1/renders?step=Nowhere")).status_code == 422


async def test_an_expired_export_is_gone(owner: Any, platform: Platform) -> None:
    export_id = owner.jobs[2]["export_id"]
    await platform.sql(
        "UPDATE render.exports SET expires_at = now() - interval '1 second' WHERE id = $1",
        UUID(export_id),
    )
    for name in ("download", "poster"):
        answer = await owner.call("GET", f"/v1/exports/{export_id}/{name}")
        assert (answer.status_code, answer.json()["code"]) == (410, "export_gone")


async def test_nobody_reads_without_a_login(owner: Any, platform: Platform) -> None:
    export_id = owner.jobs[0]["export_id"]
    for path in (f"/v1/exports/{export_id}", f"/v1/exports/{export_id}/download", "/v1/exports"):
        assert (await platform.client.get(path)).status_code == 401


async def test_a_deleted_export_does_not_exist(owner: Any, platform: Platform) -> None:
    export_id = owner.jobs[1]["export_id"]
    mark = "UPDATE render.exports SET deleted_at = {} WHERE id = $1"
    await platform.sql(mark.format("now()"), UUID(export_id))
    try:
        for path in ("", "/download", "/poster"):
            answer = await owner.call("GET", f"/v1/exports/{export_id}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        left = {row["id"] for row in (await owner.get("/v1/exports"))["data"]}
        assert export_id not in left
        assert len(left) == 2
    finally:
        await platform.sql(mark.format("NULL"), UUID(export_id))
