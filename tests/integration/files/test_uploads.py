"""Uploads: the whole way, what is refused, what is counted."""

import asyncio
import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables.DefaultTable import DefaultTable
from PIL import Image

from flatrender.fonts import catalogue
from flatrender.testing.media import sine, write_sound
from flatrender.testing.platform import Person, Platform


async def test_a_picture_goes_the_whole_way(platform: Platform, uploader: Any) -> None:
    person = await platform.person()
    data = uploader.png(12, 7)
    form = await uploader.begun(
        person, data, name="گل.png", sha256=hashlib.sha256(data).hexdigest()
    )
    waiting = await uploader.quota(person)
    assert (waiting["used_bytes"], waiting["reserved_bytes"]) == (0, len(data))
    done = await uploader.complete(person, form["upload_id"])
    assert done.status_code == 201, done.text
    file = done.json()
    assert (file["width"], file["height"]) == (12, 7)
    assert file["content_type"] == "image/png"
    assert file["sha256"] == hashlib.sha256(data).hexdigest()
    counted = await uploader.quota(person)
    assert (counted["used_bytes"], counted["reserved_bytes"]) == (len(data), 0)
    assert counted["file_count"] == 1
    link = await platform.client.get(f"/v1/files/{file['id']}/download", headers=person.headers)
    assert link.status_code == 302
    assert link.headers["cache-control"] == "no-store"
    came = await uploader.store.get(link.headers["location"])
    assert came.status_code == 200
    assert came.content == data
    assert "filename*=UTF-8''%DA%AF%D9%84.png" in came.headers["content-disposition"]
    listed = await platform.client.get("/v1/files", headers=person.headers)
    assert [row["id"] for row in listed.json()["data"]] == [file["id"]]


async def test_completing_again_answers_the_same_and_counts_once(
    platform: Platform, uploader: Any
) -> None:
    person = await platform.person()
    data = uploader.png()
    form = await uploader.begun(person, data)
    answers = await asyncio.gather(
        *(uploader.complete(person, form["upload_id"]) for _ in range(10))
    )
    good = [a for a in answers if a.status_code == 201]
    others = {a.json()["code"] for a in answers if a.status_code != 201}
    assert good
    assert others <= {"upload_busy"}
    again = await uploader.complete(person, form["upload_id"])
    assert again.content == good[0].content
    counted = await uploader.quota(person)
    assert (counted["used_bytes"], counted["file_count"]) == (len(data), 1)
    assert counted["reserved_bytes"] == 0


async def test_a_finished_file_cannot_be_exchanged_by_its_form(
    platform: Platform, uploader: Any
) -> None:
    person = await platform.person()
    data, other = uploader.png(colour=(1, 2, 3)), bytearray(uploader.png(colour=(1, 2, 3)))
    other[-1] ^= 0xFF
    form = await uploader.begun(person, data)
    file = (await uploader.complete(person, form["upload_id"])).json()
    again = await uploader.send(form, bytes(other))  # the form lives on for half an hour
    assert again.status_code in (200, 201, 204)
    link = await platform.client.get(f"/v1/files/{file['id']}/download", headers=person.headers)
    assert (await uploader.store.get(link.headers["location"])).content == data
    # what the dead form left behind is removed once nobody can send it again
    due = await platform.sql(
        "SELECT due_at > now() + interval '20 minutes' FROM file_mgr.pending_deletions "
        "WHERE object_key = $1",
        form["fields"]["key"],
    )
    assert [row[0] for row in due] == [True]


async def test_the_form_refuses_another_key_type_or_length(
    platform: Platform, uploader: Any
) -> None:
    person = await platform.person()
    data = uploader.png()
    form = (await uploader.begin(person, len(data))).json()
    tries = {
        "key": await uploader.send(form, data, key=form["fields"]["key"] + "x"),
        "type": await uploader.send(form, data, **{"Content-Type": "text/html"}),
        "longer": await uploader.send(form, data + b"x"),
        "shorter": await uploader.send(form, data[:-1]),
        "unsigned": await uploader.store.post(
            form["url"], data={"key": form["fields"]["key"]}, files={"file": ("f", data)}
        ),
    }
    assert {name: 400 <= a.status_code < 500 for name, a in tries.items()} == dict.fromkeys(
        tries, True
    )
    early = await uploader.complete(person, form["upload_id"])
    assert (early.status_code, early.json()["code"]) == (409, "not_uploaded")
    assert (await uploader.send(form, data)).status_code in (200, 201, 204)
    assert (await uploader.complete(person, form["upload_id"])).status_code == 201


async def test_bytes_of_another_size_are_refused_and_removed(
    platform: Platform, uploader: Any
) -> None:
    person = await platform.person()
    data = uploader.png()
    form = (await uploader.begin(person, len(data))).json()
    storage = platform.runtime.infra.storage
    await storage.put(form["fields"]["key"], data + b"more")  # past the form, as a flaw would
    answer = await uploader.complete(person, form["upload_id"])
    assert (answer.status_code, answer.json()["code"]) == (422, "size_mismatch")
    assert await storage.keys(form["fields"]["key"]) == []
    assert (await uploader.quota(person))["reserved_bytes"] == 0
    again = await uploader.complete(person, form["upload_id"])
    assert (again.status_code, again.json()["code"]) == (409, "upload_closed")


HTML = b"<!doctype html><script>alert(1)</script>"


async def test_content_decides_not_the_name(platform: Platform, uploader: Any) -> None:
    person = await platform.person()
    assert (await uploader.refused(person, HTML))["code"] == "content_mismatch"
    truth = hashlib.sha256(b"another").hexdigest()
    wrong = await uploader.refused(person, uploader.png(), sha256=truth)
    assert wrong["code"] == "content_mismatch"
    assert (await uploader.quota(person))["reserved_bytes"] == 0


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"),
     ("a.html", HTML)],
)  # fmt: skip
async def test_active_content_comes_as_an_attachment_only(
    platform: Platform, uploader: Any, name: str, data: bytes
) -> None:
    person = await platform.person()
    file = await uploader.file(person, data, name=name, purpose="other", content_type="text/html")
    for query in ("", "?inline=true"):
        link = await platform.client.get(
            f"/v1/files/{file['id']}/download{query}", headers=person.headers
        )
        came = await uploader.store.get(link.headers["location"])
        assert came.headers["content-disposition"].startswith("attachment;")
        assert came.headers["content-type"] == "application/octet-stream"
    picture = await uploader.file(person)
    link = await platform.client.get(
        f"/v1/files/{picture['id']}/download?inline=true", headers=person.headers
    )
    shown = await uploader.store.get(link.headers["location"])
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["content-disposition"].startswith("inline;")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _huge_png(side: int, rows: int) -> bytes:
    """A PNG of side x side pixels, ``rows`` of them there, in a few kilobytes."""
    packer = zlib.compressobj(9)
    line = bytes(side // 8 + 2)
    body = b"".join(packer.compress(line) for _ in range(rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), _chunk(b"IDAT", body), _chunk(b"IEND", b""))
    )


async def test_too_many_pixels_are_refused_by_the_header(platform: Platform, uploader: Any) -> None:
    person = await platform.person()
    problem = await uploader.refused(person, _huge_png(20_000, 10))
    assert problem["code"] == "image_too_large"
    assert "20000" in problem["detail"]


async def test_a_bomb_costs_a_bounded_process(platform: Platform, uploader: Any) -> None:
    # a text chunk of 200 MB in 200 kB; Pillow refuses it, and the probe could not grow either
    text = b"x\0\0" + zlib.compress(bytes(200_000_000), 9)
    good = uploader.png()
    bomb = good[:33] + _chunk(b"zTXt", text) + good[33:]
    assert (await uploader.refused(await platform.person(), bomb))["code"] == "media_unreadable"


async def test_damaged_media_are_refused(platform: Platform, uploader: Any, tmp_path: Path) -> None:
    person = await platform.person()
    sound = write_sound(tmp_path / "a.wav", sine(0.5)).read_bytes()
    body = {"name": "a.wav", "content_type": "audio/wav", "purpose": "voiceover"}
    file = await uploader.file(person, sound, **body)
    assert file["content_type"] == "audio/wav"
    assert file["duration"] == pytest.approx(0.5, abs=0.01)
    broken = sound[:20] + bytes(len(sound) - 20)
    assert (await uploader.refused(person, broken, **body))["code"] == "media_unreadable"
    for form in ("PNG", "JPEG"):
        buffer = io.BytesIO()
        Image.effect_noise((64, 64), 90).save(buffer, form)
        cut = buffer.getvalue()[:2000]
        assert (await uploader.refused(person, cut))["code"] == "media_unreadable"


async def test_what_a_form_says_beyond_its_conditions_is_not_kept(
    platform: Platform, uploader: Any
) -> None:
    """Not every store refuses such fields; the finished file is another object, made by us."""
    person = await platform.person()
    data = uploader.png()
    form = (await uploader.begin(person, len(data))).json()
    extra = {
        "Content-Disposition": "inline",
        "Content-Encoding": "gzip",
        "Cache-Control": "max-age=9",
    }
    sent = await uploader.send(form, data, **extra)
    if sent.status_code == 403:
        sent = await uploader.send(form, data)
    done = await uploader.complete(person, form["upload_id"])
    assert done.status_code == 201, done.text
    link = await platform.client.get(
        f"/v1/files/{done.json()['id']}/download", headers=person.headers
    )
    came = await uploader.store.get(link.headers["location"])
    assert came.content == data
    assert came.headers["content-disposition"].startswith("attachment;")
    assert "content-encoding" not in came.headers
    assert came.headers.get("cache-control") != "max-age=9"


def _font(**tables: Any) -> bytes:
    """Return one of our fonts with some tables changed or (None) taken out."""
    path = next(iter(catalogue())).path
    buffer = io.BytesIO()
    with TTFont(path) as font:
        for name, data in tables.items():
            if data is None:
                del font[name]
            else:
                raw = DefaultTable(name)
                raw.data = data
                font[name] = raw
        font.save(buffer)
    return buffer.getvalue()


async def test_a_font_is_opened_before_it_is_taken(platform: Platform, uploader: Any) -> None:
    person = await platform.person()
    body = {"name": "a.ttf", "content_type": "font/ttf", "purpose": "font"}
    good = _font()
    file = await uploader.file(person, good, **body)
    assert (file["content_type"], file["size_bytes"]) == ("font/ttf", len(good))
    bad = {
        "a signature and noise": b"OTTO" + bytes(range(256)) * 8,
        "a signature and nothing": b"OTTO" + bytes(508),
        "cut": good[: len(good) // 2],
        "no outlines": _font(glyf=None, loca=None),
        "no metrics": _font(hmtx=None),
        "no characters": _font(cmap=b"\0\0\0\0"),
        "outlines of noise": _font(glyf=b"\x7f\xff" * 4000),
    }
    codes = {
        name: (await uploader.refused(person, data, **body))["code"] for name, data in bad.items()
    }
    assert codes == dict.fromkeys(bad, "media_unreadable")
    assert (await uploader.quota(person))["reserved_bytes"] == 0


async def _limit(platform: Platform, person: Person, limit: int) -> None:
    await platform.sql(
        "INSERT INTO file_mgr.quotas (tenant_id, user_id, limit_bytes) VALUES ($1, $2, $3) "
        "ON CONFLICT (tenant_id, user_id) DO UPDATE SET limit_bytes = excluded.limit_bytes",
        person.tenant_id,
        person.id,
        limit,
    )


async def test_fifty_at_once_never_pass_the_quota(platform: Platform, uploader: Any) -> None:
    person = await platform.person()
    await _limit(platform, person, 10_500)
    answers = await asyncio.gather(*(uploader.begin(person, 1000) for _ in range(50)))
    assert sum(a.status_code == 201 for a in answers) == 10
    refused = [a for a in answers if a.status_code != 201]
    assert {(a.status_code, a.json()["code"]) for a in refused} == {(413, "quota_exceeded")}
    assert (await uploader.quota(person))["reserved_bytes"] == 10_000
    first = next(a.json() for a in answers if a.status_code == 201)
    gone = await platform.client.delete(f"/v1/uploads/{first['upload_id']}", headers=person.headers)
    assert gone.status_code == 204
    assert (await uploader.quota(person))["reserved_bytes"] == 9_000
    twice = await platform.client.delete(
        f"/v1/uploads/{first['upload_id']}", headers=person.headers
    )
    assert (twice.status_code, twice.json()["code"]) == (409, "upload_closed")
    assert (await uploader.quota(person))["reserved_bytes"] == 9_000


async def test_abandoned_uploads_give_back_what_they_reserved(
    platform: Platform, uploader: Any
) -> None:
    person = await platform.person()
    forms = [(await uploader.begin(person, 1000)).json() for _ in range(3)]
    kept = forms.pop()
    await platform.sql(
        "UPDATE file_mgr.upload_sessions SET expires_at = now() - interval '6 minutes' "
        "WHERE id = ANY($1::uuid[])",
        [UUID(f["upload_id"]) for f in forms],
    )
    from flatrender_files.services.uploads import UploadService

    service = platform.runtime.plugins["files"].context.get(UploadService)
    await asyncio.gather(*(service.expire() for _ in range(4)))
    assert (await uploader.quota(person))["reserved_bytes"] == 1000
    late = await uploader.complete(person, forms[0]["upload_id"])
    assert (late.status_code, late.json()["code"]) == (409, "upload_closed")
    states = await platform.sql(
        "SELECT s.id, s.state, s.reserved_bytes, f.state AS file "
        "FROM file_mgr.upload_sessions s JOIN file_mgr.files f ON f.id = s.file_id "
        "WHERE s.user_id = $1",
        person.id,
    )
    for row in states:
        if str(row["id"]) == kept["upload_id"]:
            assert (row["state"], row["reserved_bytes"]) == ("Open", 1000)
        else:
            assert (row["state"], row["reserved_bytes"], row["file"]) == ("Expired", 0, "Rejected")


async def test_a_check_that_outlived_its_session_settles_nothing(
    platform: Platform, uploader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await platform.person()
    form = await uploader.begun(person, uploader.png())
    from flatrender_files.services.uploads import UploadService

    service = platform.runtime.plugins["files"].context.get(UploadService)
    accept = service._accept

    async def slow(*args: Any) -> Any:
        found = await accept(*args)
        await platform.sql(
            "UPDATE file_mgr.upload_sessions SET expires_at = now() - interval '1 hour' "
            "WHERE id = $1",
            UUID(form["upload_id"]),
        )
        await service.expire()
        return found

    monkeypatch.setattr(service, "_accept", slow)
    answer = await uploader.complete(person, form["upload_id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_closed")
    counted = await uploader.quota(person)
    assert (counted["used_bytes"], counted["reserved_bytes"], counted["file_count"]) == (0, 0, 0)


async def test_an_idempotency_key_makes_one_upload(platform: Platform, uploader: Any) -> None:
    person = await platform.person()
    key = {"Idempotency-Key": uuid4().hex}
    first = await uploader.begin(person, 1000, headers=key)
    again = await uploader.begin(person, 1000, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    other = await uploader.begin(person, 1001, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (await uploader.quota(person))["reserved_bytes"] == 1000
    neighbour = await uploader.begin(await platform.person(), 1000, headers=key)
    assert neighbour.json()["upload_id"] != first.json()["upload_id"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"size_bytes": 0}, "/size_bytes"),
        ({"size_bytes": -1}, "/size_bytes"),
        ({"content_type": "image/png\r\nx: y"}, "/content_type"),
        ({"purpose": "branding"}, "/purpose"),
        ({"sha256": "zz"}, "/sha256"),
        ({"name": ""}, "/name"),
        ({"name": "a\0b"}, ""),  # refused before any field is looked at
        ({"name": "a" * 4097}, "/name"),
        ({"tenant_id": str(uuid4())}, "/tenant_id"),
        ({"object_key": "x"}, "/object_key"),
    ],
)
async def test_bodies_that_are_refused(
    platform: Platform, uploader: Any, body: dict[str, Any], pointer: str
) -> None:
    person = await platform.person()
    answer = await platform.client.post(
        "/v1/uploads",
        json={
            "name": "a",
            "content_type": "image/png",
            "purpose": "image",
            "size_bytes": 10,
            **body,
        },
        headers=person.headers,
    )
    assert answer.status_code == 422, answer.text
    assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]
    assert (await uploader.quota(person))["reserved_bytes"] == 0


async def test_files_of_a_purpose_have_a_largest_size(platform: Platform, uploader: Any) -> None:
    answer = await uploader.begin(await platform.person(), 9 * 2**20, purpose="avatar")
    assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")


async def test_a_plan_says_how_large_one_file_may_be(platform: Platform, uploader: Any) -> None:
    free, paid, admin = (
        await platform.person(),
        await platform.person(plan="plus"),
        await platform.admin(),
    )
    limit = 50 * 2**20  # the free plan's
    refused = await uploader.begin(free, limit + 1, purpose="video", content_type="video/mp4")
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (413, "upload_over_plan")
    assert (problem["max_upload_bytes"], problem["plan_code"]) == (limit, "free")
    assert str(limit + 1) in problem["detail"]
    assert (await uploader.quota(free))["reserved_bytes"] == 0
    exact = await uploader.begin(free, limit, purpose="video", content_type="video/mp4")
    assert exact.status_code == 201, exact.text
    larger = await uploader.begin(paid, limit + 1, purpose="video", content_type="video/mp4")
    assert larger.status_code == 201, larger.text
    # What staff bring in for everybody is bounded by its purpose, their own files are not.
    zip_ = {"purpose": "template", "content_type": "application/zip"}
    assert (await uploader.begin(admin, limit + 1, **zip_)).status_code == 201
    assert (await uploader.begin(free, limit + 1, **zip_)).status_code == 413
    own = await uploader.begin(admin, limit + 1, purpose="video", content_type="video/mp4")
    assert own.json()["code"] == "upload_over_plan"
