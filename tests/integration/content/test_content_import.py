"""Importing packages: what gets in, what is refused, and what a new version keeps."""

import asyncio
import io
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from flatrender.contracts.render import InspectionNote
from flatrender.fonts import catalogue as bundled_fonts
from flatrender.testing import packages as build
from flatrender.testing.platform import Person, Platform
from flatrender_content.errors import TemplateRejected
from flatrender_content.services import import_sql
from flatrender_content.services.importer import ImportService

IMPORT = "/v1/admin/templates/import"
_TABLES = ("projects", "scenes", "scene_contents", "shared_colors", "color_presets")


async def _rows(platform: Platform, container_id: UUID) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for table in _TABLES:
        rows = await platform.sql(
            f"SELECT * FROM content.{table} WHERE container_id = $1 ORDER BY id", container_id
        )
        found[table] = [dict(row) for row in rows]
    rows = await platform.sql(
        "SELECT * FROM content.project_containers WHERE id = $1", container_id
    )
    return {**found, "container": [dict(row) for row in rows]}


async def test_a_package_becomes_a_template(
    platform: Platform, admin: Person, fresh_slug: str
) -> None:
    data = build.package(build.manifest(slug=fresh_slug, tags=["story", "new-tag"]))
    answer = await platform.client.post(IMPORT, content=data, headers=admin.headers)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["outcome"], made["version"], made["published"]) == ("created", "1.0.0", False)
    draft = await platform.client.get(f"/v1/templates/{fresh_slug}")
    assert draft.status_code == 404
    base = f"/v1/admin/templates/{made['container_id']}"
    for _ in range(2):
        published = await platform.client.post(f"{base}/publish", headers=admin.headers)
        assert published.status_code == 204, published.text
    answer = await platform.client.get(f"/v1/templates/{fresh_slug}")
    assert answer.status_code == 200, answer.text
    detail = answer.json()
    assert detail["name"] == {"fa": "tiny", "en": "tiny"}
    assert detail["category"]["slug"] == "tests"
    assert sorted(detail["tags"]) == ["new-tag", "story"]
    assert detail["presets"][0]["key"] == "sea"
    scene = detail["projects"][0]["scenes"][0]
    assert scene["slots"] == [
        {
            "type": "color",
            "id": "box",
            "name": {"fa": "box", "en": "box"},
            "required": False,
            "group": None,
            "default": "#ffcc33",
        }
    ]
    by_id = await platform.client.get(f"/v1/templates/{made['container_id']}")
    assert by_id.json() == detail
    told = await platform.sql(
        "SELECT name FROM content.outbox WHERE name LIKE 'content.template.%' "
        "AND payload::text LIKE '%' || $1 || '%'",
        made["container_id"],
    )
    assert [row["name"] for row in told] == ["content.template.published.v1"]
    await platform.client.post(f"{base}/unpublish", headers=admin.headers)
    assert (await platform.client.get(f"/v1/templates/{fresh_slug}")).status_code == 404


async def test_the_same_package_again_changes_nothing(
    platform: Platform, admin: Person, fresh_slug: str
) -> None:
    data = build.package(build.manifest(slug=fresh_slug))
    first = await platform.client.post(IMPORT, content=data, headers=admin.headers)
    container = UUID(first.json()["container_id"])
    await platform.until(lambda: _poster(platform, container))
    before = await _rows(platform, container)
    again = await platform.client.post(IMPORT, content=data, headers=admin.headers)
    assert again.status_code == 201, again.text
    assert again.json()["outcome"] == "unchanged"
    assert again.json()["container_id"] == first.json()["container_id"]
    assert await _rows(platform, container) == before


async def test_imports_at_once_do_not_meet(install: Any, fresh_slug: str) -> None:
    slugs = [f"{letter}-{fresh_slug}" for letter in "aabb"]
    made = await asyncio.gather(
        *(
            # The same tags in opposite orders: a lock per row would deadlock sooner or later.
            install(slug, tags=[f"x-{fresh_slug}", f"y-{fresh_slug}"][:: (-1) ** n], category="c")
            for n, slug in enumerate(slugs)
        )
    )
    assert len({m.container_id for m in made}) == 2
    same = await asyncio.gather(*(install(f"same-{fresh_slug}") for _ in range(3)))
    assert sorted(m.outcome for m in same) == ["created", "unchanged", "unchanged"]


async def test_every_reason_of_a_refusal_has_its_place(
    platform: Platform, admin: Person, fresh_slug: str
) -> None:
    bad = build.manifest(
        slug=fresh_slug,
        variants=[build.variant(build.scene("a", animation="gone"), build.scene("a"))],
        presets=[{"key": "sea", "name": build.label("s"), "colors": {"nobody": "#000000"}}],
    )
    answer = await platform.client.post(IMPORT, content=build.package(bad), headers=admin.headers)
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert body["code"] == "template_rejected"
    places = {error["pointer"] for error in body["errors"]}
    assert len(body["errors"]) >= 3
    assert all(place.startswith("flatrender.json#/") for place in places), places
    assert all(error["detail"] for error in body["errors"])
    gone = await platform.sql("SELECT FROM content.project_containers WHERE slug = $1", fresh_slug)
    assert gone == []


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\3\4" + bytes(100)])
async def test_what_is_no_package_is_refused(
    platform: Platform, admin: Person, data: bytes
) -> None:
    answer = await platform.client.post(IMPORT, content=data, headers=admin.headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "template_rejected"
    assert answer.json()["errors"][0]["pointer"] == "/"


async def test_a_body_over_the_limit_is_refused(platform: Platform, admin: Person) -> None:
    answer = await platform.client.post(
        IMPORT,
        content=b"PK",
        headers={**admin.headers, "content-length": str(201 * 1024 * 1024)},
    )
    assert answer.status_code == 413, answer.text


async def test_only_administrators_with_a_second_factor_import(platform: Platform) -> None:
    data = build.package()
    nobody = await platform.client.post(IMPORT, content=data)
    assert nobody.status_code == 401
    user = await platform.person()
    answer = await platform.client.post(IMPORT, content=data, headers=user.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    without = await platform.person(role="admin")
    answer = await platform.client.post(IMPORT, content=data, headers=without.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "mfa_required")


async def test_what_the_engine_cannot_draw_is_refused(
    platform: Platform, install: Any, fresh_slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    imports = platform.runtime.plugins["content"].context.get(ImportService)
    inspector = imports._inspector

    def note(level: str) -> InspectionNote:
        return InspectionNote(
            level=level,
            code=f"seen_{level}",
            place="a/main.json#/layers/0",
            message_en="seen",
            message_fa="دیده شد",
        )

    class Strict:
        found = "error"

        def __getattr__(self, name: str) -> Any:
            return getattr(inspector, name)

        async def inspect(self, _package: object) -> list[InspectionNote]:
            return [note(self.found)]

    judge = Strict()
    monkeypatch.setattr(imports, "_inspector", judge)
    with pytest.raises(TemplateRejected) as refused:
        await install(fresh_slug)
    assert [(e.pointer, e.code) for e in refused.value.errors] == [
        ("a/main.json#/layers/0", "seen_error")
    ]
    judge.found = "warning"
    done = await install(fresh_slug)
    assert [w.code for w in done.warnings] == ["seen_warning"]


async def test_an_import_that_fails_late_leaves_nothing(
    platform: Platform, install: Any, fresh_slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_sql, "PRESETS", import_sql.PRESETS.replace("r.colors", "NULL"))
    with pytest.raises(Exception, match="colors"):
        await install(fresh_slug, category=f"only-{fresh_slug}")
    for table in ("project_containers", "categories"):
        rows = await platform.sql(
            f"SELECT FROM content.{table} WHERE slug LIKE '%' || $1", fresh_slug
        )
        assert rows == [], table
    monkeypatch.undo()
    assert (await install(fresh_slug)).outcome == "created"


async def test_a_new_version_keeps_ids_and_what_was_edited_by_hand(
    platform: Platform, admin: Person, install: Any, fresh_slug: str
) -> None:
    scenes = (build.scene("a"), build.scene("b"), build.scene("c"))
    first = await install(fresh_slug, variants=[build.variant(*scenes)])
    before = await _rows(platform, first.container_id)
    ids = {row["key"]: row["id"] for row in before["scenes"]}
    base = f"/v1/admin/templates/{first.container_id}"
    renamed = await platform.client.patch(
        base,
        json={"name": {"fa": "نام تازه", "en": "New name"}, "keywords": ["by hand"]},
        headers=admin.headers,
    )
    assert renamed.status_code == 200, renamed.text
    assert renamed.json()["manual_fields"] == ["keywords", "name_en", "name_fa"]
    edited = await platform.client.patch(
        f"{base}/scenes/{ids['a']}", json={"duration": 3.5}, headers=admin.headers
    )
    assert edited.status_code == 204, edited.text
    await platform.sql("UPDATE content.scenes SET deleted_at = now() WHERE id = $1", ids["b"])

    newer = (
        build.scene("a", duration=1.5, max_duration=2, name=build.label("A!")),
        build.scene("b", name=build.label("B!"), slots=[]),
        build.scene("d"),
    )
    done = await install(
        fresh_slug,
        version="1.1.0",
        name=build.label("from the package"),
        keywords=["package"],
        description=build.label("new words"),
        variants=[build.variant(*newer)],
    )
    assert (done.outcome, done.container_id) == ("updated", first.container_id)
    after = await _rows(platform, first.container_id)
    container = after["container"][0]
    assert (container["name_en"], container["keywords"]) == ("New name", ["by hand"])
    assert (container["description_en"], container["package_version"]) == ("new words", "1.1.0")
    now = {row["key"]: row for row in after["scenes"]}
    assert {key: now[key]["id"] for key in ids} == ids
    assert now["a"]["duration"] == 3.5
    assert now["a"]["max_duration"] == 4  # edited together with the duration
    assert now["a"]["name_en"] == "A!"
    assert now["b"]["deleted_at"] is None
    assert now["b"]["name_en"] == "B!"
    assert now["c"]["deleted_at"] is not None
    assert now["d"]["deleted_at"] is None
    slots = {row["scene_id"]: row["deleted_at"] for row in after["scene_contents"]}
    assert slots[ids["a"]] is None
    assert slots[ids["b"]] is not None
    assert slots[ids["c"]] is not None
    assert [r["id"] for r in after["projects"]] == [r["id"] for r in before["projects"]]
    shown = (await platform.client.get(f"/v1/templates/{fresh_slug}")).json()
    assert [s["key"] for s in shown["projects"][0]["scenes"]] == ["a", "b", "d"]
    versions = await platform.sql(
        "SELECT version FROM content.container_versions WHERE container_id = $1 ORDER BY 1",
        first.container_id,
    )
    assert [row["version"] for row in versions] == ["1.0.0", "1.1.0"]
    back = await install(fresh_slug, variants=[build.variant(*scenes)])
    assert (back.outcome, back.version) == ("updated", "1.0.0")


async def test_an_aspect_that_vanishes_comes_back_with_its_id(
    platform: Platform, install: Any, fresh_slug: str
) -> None:
    wide = build.variant()
    square = build.variant(aspect="1:1", width=180, height=180)
    first = await install(fresh_slug, variants=[wide, square])
    ids = {r["aspect"]: r["id"] for r in (await _rows(platform, first.container_id))["projects"]}
    await install(fresh_slug, version="1.0.1", variants=[wide])
    shown = (await platform.client.get(f"/v1/templates/{fresh_slug}")).json()
    assert shown["aspects"] == ["16:9"]
    await install(fresh_slug, version="1.0.2", variants=[square, wide])
    shown = (await platform.client.get(f"/v1/templates/{fresh_slug}")).json()
    assert shown["aspects"] == ["1:1", "16:9"]
    assert {p["aspect"]: UUID(p["id"]) for p in shown["projects"]} == ids


async def test_music_and_fonts_of_a_package_join_the_library(
    platform: Platform, install: Any, fresh_slug: str
) -> None:
    font = next(f for f in bundled_fonts() if (f.family, f.style) == ("Vazirmatn", "Thin"))
    files = build.entries() | {
        "u/song.wav": build.silence(1.5),
        "f/Vazirmatn-Thin.ttf": font.path.read_bytes(),
    }
    family = f"Vazirmatn {fresh_slug}"
    await install(
        fresh_slug,
        files=files,
        music=[{"key": "song", "title": {"fa": "ترانه", "en": fresh_slug}, "path": "u/song.wav"}],
        audio={"music": "song"},
        fonts=[{"family": family, "style": "Thin", "weight": 100, "path": "f/Vazirmatn-Thin.ttf"}],
    )
    detail = (await platform.client.get(f"/v1/templates/{fresh_slug}")).json()
    listed = (await platform.client.get("/v1/music?page_size=100")).json()["data"]
    track = next(t for t in listed if t["id"] == detail["default_music_id"])
    assert track["duration"] == pytest.approx(1.5, abs=0.01)
    moved = await platform.client.get(track["audio_url"])
    assert moved.status_code == 302
    fonts = (await platform.client.get("/v1/fonts?script=Arab&page_size=100")).json()["data"]
    face = next(f for f in fonts if f["family"] == family)
    assert set(face["scripts"]) >= {"Arab", "Latn"}
    told = await platform.sql(
        "SELECT payload::text LIKE '%' || $1 || '%' AS mine FROM content.outbox "
        "WHERE name = 'content.font.installed.v1'",
        family,
    )
    assert [row["mine"] for row in told].count(True) == 1


async def test_a_sound_that_cannot_be_read_is_refused(install: Any, fresh_slug: str) -> None:
    files = build.entries() | {"u/song.wav": b"RIFF\x10\0\0\0WAVE" + bytes(40)}
    with pytest.raises(TemplateRejected) as refused:
        await install(
            fresh_slug,
            files=files,
            music=[{"key": "song", "title": build.label("s"), "path": "u/song.wav"}],
        )
    assert [(e.pointer, e.code) for e in refused.value.errors] == [
        ("flatrender.json#/music/0/path", "sound_unreadable")
    ]


async def test_posters_and_snapshots_are_drawn(
    platform: Platform, install: Any, fresh_slug: str
) -> None:
    await install(fresh_slug, variants=[build.variant(build.scene("a"), build.scene("b"))])

    async def drawn() -> Any:
        shown = (await platform.client.get(f"/v1/templates/{fresh_slug}")).json()
        return shown if shown["poster_url"] else None

    detail = await platform.until(drawn)
    project = detail["projects"][0]
    urls = [detail["poster_url"], project["poster_url"]]
    urls += [scene["snapshot_url"] for scene in project["scenes"]]
    widths = []
    for url in urls:
        moved = await platform.client.get(url)
        assert moved.status_code == 302, url
        key = moved.headers["location"].partition("?")[0].split("/", 4)[4]
        data = await platform.runtime.infra.storage.get(key)
        with Image.open(io.BytesIO(data)) as picture:
            widths.append(picture.width)
    assert widths[2:] == [640, 640]
    assert widths[0] == widths[1] == 1280
    assert detail["id"] in urls[0]


async def _poster(platform: Platform, container_id: UUID) -> Any:
    rows = await platform.sql(
        "SELECT poster_object_key FROM content.project_containers WHERE id = $1", container_id
    )
    return rows[0]["poster_object_key"]
