"""Packages as they come from browsers: a form's file, or a file uploaded before."""

from typing import Any
from uuid import uuid4

import httpx

from flatrender.app import create_app
from flatrender.http.openapi.document import openapi_document
from flatrender.settings import load_settings
from flatrender.testing import packages as build
from flatrender.testing.platform import Person, Platform

IMPORT = "/v1/admin/templates/import"


async def _upload(platform: Platform, person: Person, data: bytes, **changes: str) -> str:
    body = {"name": "t.lottie", "content_type": "application/zip", "purpose": "template", **changes}
    asked = await platform.client.post(
        "/v1/uploads", json={**body, "size_bytes": len(data)}, headers=person.headers
    )
    assert asked.status_code == 201, asked.text
    form = asked.json()
    async with httpx.AsyncClient() as store:
        put = await store.post(form["url"], data=form["fields"], files={"file": data})
    assert put.status_code < 300, put.text
    done = await platform.client.post(
        f"/v1/uploads/{form['upload_id']}/complete", headers=person.headers
    )
    assert done.status_code == 201, done.text
    return str(done.json()["id"])


async def test_an_uploaded_package_is_imported_by_its_owner_only(
    platform: Platform, admin: Person, fresh_slug: str
) -> None:
    data = build.package(build.manifest(slug=fresh_slug))
    file_id = await _upload(platform, admin, data)
    url = f"{IMPORT}-file"
    colleague = await platform.admin()
    for wanted in (file_id, str(uuid4())):
        answer = await platform.client.post(
            url, json={"file_id": wanted}, headers=colleague.headers
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = await platform.client.post(
        url, json={"file_id": file_id, "publish": True}, headers=admin.headers
    )
    assert answer.status_code == 201, answer.text
    assert (answer.json()["slug"], answer.json()["outcome"]) == (fresh_slug, "created")
    assert (await platform.client.get(f"/v1/templates/{fresh_slug}")).status_code == 200
    again = await platform.client.post(url, json={"file_id": file_id}, headers=admin.headers)
    assert again.json()["outcome"] == "unchanged"


async def test_a_file_that_is_no_package_is_refused_by_name(
    platform: Platform, admin: Person
) -> None:
    file_id = await _upload(
        platform, admin, build.picture(), content_type="image/png", purpose="image"
    )
    answer = await platform.client.post(
        f"{IMPORT}-file", json={"file_id": file_id}, headers=admin.headers
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "template_rejected")
    assert [e["pointer"] for e in answer.json()["errors"]] == ["/file_id"]


async def test_a_form_carries_a_package_too(
    platform: Platform, admin: Person, fresh_slug: str
) -> None:
    data = build.package(build.manifest(slug=fresh_slug))
    answer = await platform.client.post(
        IMPORT, files={"file": ("t.lottie", data, "application/zip")}, headers=admin.headers
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["slug"] == fresh_slug
    empty = await platform.client.post(
        IMPORT, files={"other": ("t.lottie", data)}, headers=admin.headers
    )
    assert empty.status_code == 422, empty.text
    assert [e["pointer"] for e in empty.json()["errors"]] == ["/file"]


def test_the_body_of_an_import_is_described() -> None:
    document: dict[str, Any] = openapi_document(
        create_app(load_settings({"FLATRENDER_ENVIRONMENT": "test"}))
    )
    body = document["paths"][IMPORT]["post"]["requestBody"]
    assert body["required"] is True
    assert body["content"]["application/zip"]["schema"] == {"type": "string", "format": "binary"}
    form = body["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["file"]["format"] == "binary"
