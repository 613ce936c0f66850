"""After Effects projects brought in over HTTP: scan, preview, apply, again."""

import asyncio
import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from flatrender.contracts.content import TemplateCatalogue
from flatrender.contracts.render import ScanJobs
from flatrender.template.after_effects import open_bundle
from flatrender.testing import aep
from flatrender.testing.platform import Person, Platform
from flatrender_content.aep.reader import read_project
from flatrender_content.services.scans import read_apart

Layer = aep.Layer
AEP_TYPE = "application/vnd.adobe.aftereffects.project"


def project(
    *, second: bool = True, title: str = "سلام", seconds: float = 2.0, comp: str = "one"
) -> bytes:
    """A Fix template of one or two scenes with a shared colour and a picture."""
    one = aep.Comp(
        id=2,
        name=comp,
        duration=seconds,
        layers=[
            Layer(name="frl_c1t1", text=title),
            Layer(name="frd_dc1t1", text="1"),
            Layer(name="frl_c1m1", source=9),
            Layer(name="frs_primary", kind="shape"),
        ],
    )
    two = aep.Comp(id=3, name="two", duration=3, layers=[Layer(name="frl_c2t1", text="World")])
    stage = [Layer(name="first", source=2, end=seconds)]
    if second:
        stage.append(Layer(name="second", source=3, start=seconds, begin=seconds, end=seconds + 3))
    total = seconds + (3 if second else 0)
    final = aep.Comp(id=1, name="frfinal", duration=total, layers=stage)
    share = aep.Comp(id=4, name="frshare", layers=[Layer(name="primary", text="1,0.5,0,1")])
    logo = aep.Footage(id=9, path="C:\\job\\(Footage)\\Logo 1.png")
    return aep.project(final, one, *([two] if second else []), share, logo)


def bundle(data: bytes, **files: bytes) -> bytes:
    """A zip of the project and a picture in another case."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("My job/Final.aep", data)
        archive.writestr("My job/(footage)/LOGO 1.PNG", b"picture")
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


class Admin:
    """An administrator's calls about one template."""

    def __init__(self, platform: Platform, person: Person, template_id: str) -> None:
        self.platform = platform
        self.person = person
        self.base = f"/v1/admin/templates/{template_id}"
        self.id = template_id

    async def call(self, method: str, path: str = "", **more: Any) -> Any:
        headers = self.person.headers | more.pop("headers", {})
        return await self.platform.client.request(method, self.base + path, headers=headers, **more)

    async def scan(self, data: bytes, *, name: str = "Final.aep") -> dict[str, Any]:
        """Upload, wait until it has ended and return it."""
        answer = await self.call(
            "POST",
            "/scans",
            content=data,
            params={"name": name},
            headers={"Content-Type": "application/octet-stream"},
        )
        assert answer.status_code == 202, answer.text
        return await self.ended(answer.json()["id"])

    async def ended(self, scan_id: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while True:
                scan = (await self.call("GET", f"/scans/{scan_id}")).json()
                if scan["state"] not in ("Queued", "Running"):
                    found: dict[str, Any] = scan
                    return found
                await asyncio.sleep(0.05)

    async def preview(self, scan: dict[str, Any]) -> tuple[dict[str, Any], str]:
        answer = await self.call("GET", f"/scans/{scan['id']}/preview")
        assert answer.status_code == 200, answer.text
        return answer.json(), answer.headers["ETag"]

    async def apply(self, scan: dict[str, Any], **choice: Any) -> Any:
        _, tag = await self.preview(scan)
        return await self.call(
            "POST", f"/scans/{scan['id']}/apply", json=choice, headers={"If-Match": tag}
        )

    async def bring(self, data: bytes, **choice: Any) -> dict[str, Any]:
        scan = await self.scan(data)
        assert scan["state"] == "Done", scan
        answer = await self.apply(scan, **choice)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def paths(entries: list[dict[str, Any]]) -> set[str]:
    return {entry["path"] for entry in entries}


async def draft(platform: Platform, person: Person, slug: str, mode: str = "Fix") -> Admin:
    answer = await platform.client.post(
        "/v1/admin/templates/",
        json={"slug": slug, "name": {"fa": "قالب", "en": "Template"}, "mode": mode},
        headers=person.headers | {"Idempotency-Key": str(uuid4())},
    )
    assert answer.status_code == 201, answer.text
    return Admin(platform, person, answer.json()["id"])


@pytest.fixture
async def template(platform: Platform, admin: Person, fresh_slug: str) -> Admin:
    """A draft that a scan fills."""
    return await draft(platform, admin, fresh_slug)


async def test_a_bundle_becomes_a_template_that_can_be_rendered(
    platform: Platform, template: Admin
) -> None:
    scan = await template.scan(bundle(project()), name="job.zip")
    assert scan["state"] == "Done", scan
    seen, _ = await template.preview(scan)
    assert seen["problems"] == []
    assert seen["missing_footage"] == []
    assert (seen["comp"], seen["aspect"], seen["fps"], seen["duration"]) == (
        "frfinal", "16:9", 30, 5.0,
    )  # fmt: skip
    assert paths(seen["added"]) == {
        "project",
        "colors/primary",
        "scenes/c1",
        "scenes/c1/contents/c1m1",
        "scenes/c1/contents/c1t1",
        "scenes/c2",
        "scenes/c2/contents/c2t1",
    }
    answer = await template.apply(scan)
    assert answer.status_code == 200, answer.text
    digest = answer.json()["package_sha256"]
    assert (await template.call("POST", "/publish")).status_code == 204

    shown = (await platform.client.get(f"/v1/templates/{template.id}")).json()
    scenes = shown["projects"][0]["scenes"]
    assert [(s["key"], s["duration"]) for s in scenes] == [("c1", 2.0), ("c2", 3.0)]
    assert scenes[0]["slots"][1]["default"] == "سلام"
    assert shown["shared_colors"][0]["default"] == "#ff8000"

    catalogue = platform.runtime.port(TemplateCatalogue)
    graph = await catalogue.graph(template.person.tenant_id, UUID(shown["projects"][0]["id"]))
    assert graph is not None
    assert graph.engine == "aerender"
    assert graph.package_sha256 == digest
    stored = await platform.runtime.infra.storage.get(graph.package_object_key)
    archive = open_bundle(stored)
    try:
        assert {"flatrender.json", "My job/Final.aep", "My job/(footage)/LOGO 1.PNG"} == {
            *archive.names
        }
        assert archive.sha256 == digest
    finally:
        archive.close()


async def test_a_customer_makes_a_video_of_it(platform: Platform, template: Admin) -> None:
    digest = (await template.bring(bundle(project())))["package_sha256"]
    assert (await template.call("POST", "/publish")).status_code == 204
    shown = (await platform.client.get(f"/v1/templates/{template.id}")).json()
    person = await platform.person()
    answer = await platform.client.post(
        "/v1/saved-projects",
        json={"project_id": shown["projects"][0]["id"]},
        headers=person.headers | {"Idempotency-Key": str(uuid4())},
    )
    assert answer.status_code == 201, answer.text
    saved = answer.json()
    assert [scene["scene_key"] for scene in saved["scenes"]] == ["c1", "c2"]
    rows = await platform.sql(
        "SELECT engine, package_sha256 FROM studio.saved_projects WHERE id = $1", UUID(saved["id"])
    )
    assert tuple(rows[0]) == ("aerender", digest)


async def test_each_aspect_is_a_project_of_its_own(platform: Platform, template: Admin) -> None:
    wide = (await template.bring(project()))["package_sha256"]
    tall = aep.Comp(
        id=1,
        name="frfinal",
        width=1080,
        height=1920,
        layers=[Layer(name="frl_c1t1", text="بلند")],
    )
    high = (await template.bring(aep.project(tall)))["package_sha256"]
    rows = await platform.sql(
        "SELECT aspect, source_sha256, scene_count FROM content.projects "
        "WHERE container_id = $1 AND deleted_at IS NULL ORDER BY position",
        UUID(template.id),
    )
    assert [tuple(row) for row in rows] == [("16:9", wide, 2), ("9:16", high, 1)]
    versions = await platform.sql(
        "SELECT version FROM content.container_versions WHERE container_id = $1 ORDER BY version",
        UUID(template.id),
    )
    assert [row["version"] for row in versions] == ["1.0.0", "1.0.1"]


async def test_an_uploaded_project_is_scanned_for_its_owner_only(
    platform: Platform, template: Admin
) -> None:
    data = project()
    body = {"name": "Final.aep", "content_type": AEP_TYPE, "purpose": "template"}
    asked = await platform.client.post(
        "/v1/uploads", json={**body, "size_bytes": len(data)}, headers=template.person.headers
    )
    assert asked.status_code == 201, asked.text
    form = asked.json()
    async with httpx.AsyncClient() as store:
        await store.post(form["url"], data=form["fields"], files={"file": data})
    done = await platform.client.post(
        f"/v1/uploads/{form['upload_id']}/complete", headers=template.person.headers
    )
    assert done.status_code == 201, done.text
    wanted = {"file_id": done.json()["id"]}
    colleague = Admin(platform, await platform.admin(), template.id)
    refused = await colleague.call("POST", "/scans/from-file", json=wanted)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    answer = await template.call("POST", "/scans/from-file", json=wanted)
    assert answer.status_code == 202, answer.text
    assert (await template.ended(answer.json()["id"]))["state"] == "Done"


async def test_a_template_of_another_engine_takes_no_project(
    template: Admin, install: Any, fresh_slug: str
) -> None:
    imported = await install(f"{fresh_slug}-lottie")
    other = Admin(template.platform, template.person, str(imported.container_id))
    for answer in (
        await other.call("POST", "/scans", content=project()),
        await other.call("GET", "/scans"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "engine_mismatch")


async def test_the_same_again_changes_nothing(template: Admin) -> None:
    await template.bring(project())
    scan = await template.scan(project())
    seen, _ = await template.preview(scan)
    assert not any(seen[k] for k in ("added", "changed", "revived", "kept", "orphans"))
    assert seen["missing_footage"] == ["C:\\job\\(Footage)\\Logo 1.png"]


async def test_what_was_edited_by_hand_stays(platform: Platform, template: Admin) -> None:
    await template.bring(project())
    rows = await platform.sql(
        "SELECT id FROM content.scenes WHERE container_id = $1 AND key = 'c1'", UUID(template.id)
    )
    edit = {"name": {"fa": "آغاز", "en": "Opening"}, "duration": 2.0, "max_duration": 4.0}
    changed = await template.call("PATCH", f"/scenes/{rows[0]['id']}", json=edit)
    assert changed.status_code == 204, changed.text
    scan = await template.scan(project(title="درود", seconds=2.5))
    seen, _ = await template.preview(scan)
    assert "scenes/c1" in paths(seen["kept"])
    assert {"scenes/c1/contents/c1t1", "project"} <= paths(seen["changed"])
    assert (await template.apply(scan)).status_code == 200
    after = await platform.sql(
        "SELECT s.name_en, s.duration, s.max_duration, x.default_value FROM content.scenes s "
        "JOIN content.scene_contents x ON x.scene_id = s.id AND x.key = 'c1t1' "
        "WHERE s.container_id = $1 AND s.key = 'c1'",
        UUID(template.id),
    )
    assert tuple(after[0])[:3] == ("Opening", 2.0, 4.0)
    assert "درود" in str(after[0]["default_value"])
    # A scene of which other columns change is written, and still keeps what was edited.
    await template.bring(project(seconds=2.5, comp="uno"))
    after = await platform.sql(
        "SELECT name_en, duration, animation FROM content.scenes "
        "WHERE container_id = $1 AND key = 'c1'",
        UUID(template.id),
    )
    assert tuple(after[0]) == ("Opening", 2.0, "uno")


async def test_orphans_are_listed_and_left_alone(platform: Platform, template: Admin) -> None:
    await template.bring(project())
    scan = await template.scan(project(second=False))
    seen, _ = await template.preview(scan)
    assert paths(seen["orphans"]) == {"scenes/c2"}  # what hangs on it goes without saying
    assert (await template.apply(scan)).status_code == 200
    assert await _live(platform, template) == ["c1", "c2"]
    refused = await template.apply(scan, remove=["scenes/c1"])
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/remove"
    assert (await template.apply(scan, remove=["scenes/c2"])).status_code == 200
    assert await _live(platform, template) == ["c1"]


async def test_a_deleted_scene_comes_back_and_is_never_inserted_again(
    platform: Platform, template: Admin
) -> None:
    await template.bring(project())
    before = await _ids(platform, template)
    await template.bring(project(second=False), remove=["scenes/c2"])
    scan = await template.scan(project())
    seen, _ = await template.preview(scan)
    assert paths(seen["revived"]) == {"scenes/c2"}
    assert (await template.apply(scan, revive=False)).status_code == 200
    assert await _live(platform, template) == ["c1"]
    assert (await template.apply(scan)).status_code == 200
    assert await _live(platform, template) == ["c1", "c2"]
    assert await _ids(platform, template) == before


async def test_skipping_a_scene_skips_what_hangs_on_it(platform: Platform, template: Admin) -> None:
    done = await template.bring(project(), skip=["scenes/c2"])
    assert not [path for path in done["written"] if path.startswith("scenes/c2")]
    assert await _live(platform, template) == ["c1"]


async def test_a_graph_that_changed_since_the_preview_is_not_written_over(
    platform: Platform, template: Admin
) -> None:
    await template.bring(project())
    scan = await template.scan(project(title="نو"))
    _, tag = await template.preview(scan)
    rows = await platform.sql(
        "SELECT id FROM content.scenes WHERE container_id = $1 AND key = 'c2'", UUID(template.id)
    )
    edit = {"name": {"fa": "پایان", "en": "End"}}
    await template.call("PATCH", f"/scenes/{rows[0]['id']}", json=edit)
    path = f"/scans/{scan['id']}/apply"
    without = await template.call("POST", path, json={})
    assert without.status_code == 428, without.text
    late = await template.call("POST", path, json={}, headers={"If-Match": tag})
    assert late.status_code == 412, late.text
    _, fresh = await template.preview(scan)
    assert late.headers["ETag"] == fresh
    good = await template.call("POST", path, json={}, headers={"If-Match": fresh})
    assert good.status_code == 200, good.text


async def test_names_that_mean_two_things_are_refused_with_their_places(
    template: Admin,
) -> None:
    final = aep.Comp(
        id=1, name="frfinal", layers=[Layer(name="frl_c1t1", source=9), Layer(name="frl_Title")]
    )
    logo = aep.Footage(id=9, path="C:\\a.png")
    scan = await template.scan(aep.project(final, logo))
    seen, _ = await template.preview(scan)
    assert {p["code"] for p in seen["problems"]} >= {"layer_kind_mismatch", "layer_key_invalid"}
    answer = await template.apply(scan)
    assert answer.status_code == 422
    assert answer.json()["code"] == "template_rejected"
    assert "frfinal/frl_c1t1" in {error["pointer"] for error in answer.json()["errors"]}


async def test_a_hostile_bundle_fails_with_every_reason_and_its_place(template: Admin) -> None:
    scan = await template.scan(bundle(project(), **{"../out.txt": b"x", "CON.png": b"x"}))
    assert scan["state"] == "Failed"
    found = {(error["pointer"], error["code"]) for error in scan["errors"]}
    assert found == {("../out.txt", "path_traversal"), ("CON.png", "name_reserved")}
    seen = await template.call("GET", f"/scans/{scan['id']}/preview")
    assert seen.status_code == 409
    assert seen.json()["code"] == "scan_not_done"


async def test_a_damaged_project_fails_with_the_byte(template: Admin) -> None:
    scan = await template.scan(project()[:400])
    assert scan["state"] == "Failed"
    assert scan["errors"][0]["code"] == "file_truncated"
    assert "byte 4" in scan["errors"][0]["message_en"]


async def test_what_is_neither_is_refused_at_once(template: Admin) -> None:
    answer = await template.call("POST", "/scans", content=b"%PDF-1.7 and more")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "not_a_project"


async def _alone(platform: Platform) -> None:
    """Nothing that other tests left waits to be scanned, and no node of theirs is heard of."""
    await platform.sql(
        "UPDATE render.scan_jobs SET state = 'Cancelled', lease_until = NULL, finished_at = now() "
        "WHERE state IN ('Queued', 'Running')"
    )
    await platform.sql("UPDATE render.nodes SET status = 'Offline', last_heartbeat_at = NULL")


async def test_a_full_scan_waits_for_a_node_and_a_late_result_revives_nothing(
    platform: Platform, template: Admin
) -> None:
    await _alone(platform)
    answer = await template.call("POST", "/scans", content=project(), params={"kind": "full"})
    scan = answer.json()
    assert scan["state"] == "Queued"
    assert scan["waits_for"]["code"] == "no_node_with_engine"
    jobs: Any = platform.runtime.port(ScanJobs)
    claim = await jobs.claim_next("aerender", None, lease=60)
    while claim is not None and str(claim.scan_id) != scan["id"]:
        claim = await jobs.claim_next("aerender", None, lease=60)  # another test's
    assert claim is not None
    assert await jobs.heartbeat(claim, lease=60)
    cancelled = await template.call("POST", f"/scans/{scan['id']}/cancel")
    assert cancelled.status_code == 200
    assert cancelled.json()["state"] == "Cancelled"
    assert not await jobs.finish(claim, read_project(project()))
    assert not await jobs.heartbeat(claim, lease=60)
    after = (await template.call("GET", f"/scans/{scan['id']}")).json()
    assert after["state"] == "Cancelled"
    again = await template.call("POST", f"/scans/{scan['id']}/cancel")
    assert again.status_code == 409
    assert again.json()["code"] == "scan_over"


async def test_a_lost_reader_is_followed_by_another_and_three_are_enough(
    platform: Platform, template: Admin
) -> None:
    await _alone(platform)
    answer = await template.call("POST", "/scans", content=project(), params={"kind": "full"})
    scan_id = answer.json()["id"]
    jobs: Any = platform.runtime.port(ScanJobs)
    now = datetime.now(UTC)
    claims = []
    for attempt in range(3):
        at = now + timedelta(seconds=61 * attempt)
        claim = await jobs.claim_next("aerender", None, lease=60, now=at)
        assert str(claim.scan_id) == scan_id
        assert await jobs.claim_next("aerender", None, lease=60, now=at) is None  # it is taken
        claims.append(claim)
    assert [claim.epoch for claim in claims] == [1, 2, 3]
    assert not await jobs.finish(claims[0], read_project(project()))
    late = now + timedelta(seconds=200)
    assert await jobs.claim_next("aerender", None, lease=60, now=late) is None
    after = (await template.call("GET", f"/scans/{scan_id}")).json()
    assert (after["state"], after["errors"][0]["code"]) == ("Failed", "scan_keeps_failing")


async def test_a_reader_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.aep"
    path.write_bytes(project())
    answer = await read_apart(path, "a.aep", seconds=0)
    assert [error.code for error in answer.errors] == ["scan_crashed"]
    gone = await read_apart(tmp_path / "none", "a.aep")
    assert [error.code for error in gone.errors] == ["scan_crashed"]


async def test_another_tenants_scans_are_not_there(platform: Platform, template: Admin) -> None:
    scan = await template.scan(project())
    tenant_id, key = await platform.tenant()
    other = await platform.person(tenant_key=key)
    await platform.sql("UPDATE identity.users SET role = 'admin' WHERE id = $1", other.id)
    jobs = platform.runtime.port(ScanJobs)
    assert await jobs.get(tenant_id, UUID(scan["id"])) is None
    assert await jobs.result(tenant_id, UUID(scan["id"])) is None
    assert not await jobs.cancel(tenant_id, UUID(scan["id"]))
    missing = await template.call("GET", f"/scans/{uuid4()}")
    assert missing.status_code == 404


async def _live(platform: Platform, template: Admin) -> list[str]:
    rows = await platform.sql(
        "SELECT key FROM content.scenes "
        "WHERE container_id = $1 AND deleted_at IS NULL ORDER BY key",
        UUID(template.id),
    )
    return [row["key"] for row in rows]


async def _ids(platform: Platform, template: Admin) -> dict[str, Any]:
    rows = await platform.sql(
        "SELECT key, id FROM content.scenes WHERE container_id = $1", UUID(template.id)
    )
    return {row["key"]: row["id"] for row in rows}
