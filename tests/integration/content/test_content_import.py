"""Importing packages over HTTP: what gets in, what is refused, and what a new version keeps."""

from typing import Any

from flatrender.testing import packages as build
from flatrender.testing.platform import Platform


async def test_a_package_becomes_a_template(platform: Platform) -> None:
    admin = await platform.admin()
    data = build.package(build.manifest(slug="first-one"))
    answer = await platform.client.post(
        "/v1/admin/templates/import?publish=true", content=data, headers=admin.headers
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["outcome"] == "created"
    listed = await platform.client.get("/v1/templates?page_size=100")
    assert listed.status_code == 200, listed.text
    item: dict[str, Any] = next(t for t in listed.json()["data"] if t["slug"] == "first-one")
    assert item["name"] == {"fa": "tiny", "en": "tiny"}
    detail = await platform.client.get("/v1/templates/first-one")
    assert detail.status_code == 200, detail.text
    print(detail.text)
