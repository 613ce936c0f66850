"""Administrators keep the music library: tracks come from their files, change and go."""

import secrets
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from flatrender.testing import packages as build
from flatrender.testing.media import sine, write_sound
from flatrender.testing.platform import Person, Platform

MUSIC = "/v1/admin/music"


async def _upload(
    platform: Platform, person: Person, data: bytes, *, kind: str, purpose: str
) -> str:
    asked = await platform.client.post(
        "/v1/uploads",
        json={"name": "song", "content_type": kind, "purpose": purpose, "size_bytes": len(data)},
        headers=person.headers,
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


@pytest.fixture
async def song(platform: Platform, admin: Person, tmp_path: Path) -> str:
    """A sound of the administrator's that no library has."""
    path = tmp_path / "song.wav"
    write_sound(path, sine(1.0, hertz=200 + secrets.randbelow(4000)))
    return await _upload(platform, admin, path.read_bytes(), kind="audio/wav", purpose="music")


async def test_a_track_comes_changes_and_goes(
    platform: Platform, admin: Person, song: str, fresh_slug: str
) -> None:
    body = {"file_id": song, "title": {"fa": fresh_slug, "en": "Song"}, "mood": "calm"}
    made = await platform.client.post(MUSIC, json=body, headers=admin.headers)
    assert made.status_code == 201, made.text
    track = made.json()
    assert track["duration"] == pytest.approx(1.0, abs=0.05)
    assert (track["mood"], track["source"], track["active"]) == ("calm", "Upload", True)
    twice = await platform.client.post(MUSIC, json=body, headers=admin.headers)
    assert (twice.status_code, twice.json()["code"]) == (409, "track_exists")

    async def offered() -> list[Any]:
        answer = await platform.client.get(f"/v1/music?q={fresh_slug}")
        rows: list[Any] = answer.json()["data"]
        return [row["id"] for row in rows]

    assert await offered() == [track["id"]]
    # It plays also when the file that it came from is gone.
    await platform.client.delete(f"/v1/files/{song}", headers=admin.headers)
    link = await platform.client.get(f"/v1/music/{track['id']}/audio")
    async with httpx.AsyncClient() as store:
        assert (await store.get(link.headers["location"])).content[:4] == b"RIFF"

    url = f"{MUSIC}/{track['id']}"
    changed = await platform.client.patch(
        url, json={"active": False, "mood": None}, headers=admin.headers
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["active"], changed.json()["mood"]) == (False, None)
    assert changed.json()["title"]["en"] == "Song"
    assert await offered() == []
    unknown = await platform.client.patch(url, json={"sha256": "x"}, headers=admin.headers)
    assert unknown.status_code == 422
    own = await platform.client.get(f"{MUSIC}?q={fresh_slug}", headers=admin.headers)
    assert [row["id"] for row in own.json()["data"]] == [track["id"]]
    assert own.json()["meta"]["total"] == 1
    assert (await platform.client.delete(url, headers=admin.headers)).status_code == 204
    assert (await platform.client.delete(url, headers=admin.headers)).status_code == 404
    again = await platform.client.get(f"{MUSIC}?q={fresh_slug}", headers=admin.headers)
    assert again.json()["data"] == []


async def test_a_track_needs_a_sound_of_ones_own(
    platform: Platform, admin: Person, song: str
) -> None:
    colleague = await platform.admin()
    title = {"fa": "x", "en": "x"}
    for file_id in (song, str(uuid4())):
        answer = await platform.client.post(
            MUSIC, json={"file_id": file_id, "title": title}, headers=colleague.headers
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    picture = await _upload(platform, admin, build.picture(), kind="image/png", purpose="image")
    answer = await platform.client.post(
        MUSIC, json={"file_id": picture, "title": title}, headers=admin.headers
    )
    assert answer.status_code == 422, answer.text
    assert [e["pointer"] for e in answer.json()["errors"]] == ["/file_id"]


async def test_a_neighbours_track_is_not_there(
    platform: Platform, admin: Person, song: str
) -> None:
    made = await platform.client.post(
        MUSIC, json={"file_id": song, "title": {"fa": "x", "en": "x"}}, headers=admin.headers
    )
    track_id = made.json()["id"]
    tenant_id, _key = await platform.tenant()
    await platform.sql(
        "UPDATE content.music_tracks SET tenant_id = $2 WHERE id = $1", track_id, tenant_id
    )
    for method, body in (("PATCH", {"active": False}), ("DELETE", None)):
        theirs = await platform.client.request(
            method, f"{MUSIC}/{track_id}", json=body, headers=admin.headers
        )
        assert (theirs.status_code, theirs.json()["code"]) == (404, "not_found")
    customer = await platform.person()
    refused = await platform.client.get(MUSIC, headers=customer.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
