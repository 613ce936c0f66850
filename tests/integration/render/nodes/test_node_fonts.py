"""Fonts: uploaded once, on every node that takes them, and waited for where they lack."""

import hashlib
import io
import json
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fontTools.ttLib import TTFont

import flatrender.fonts
from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender.testing.packages import manifest, package
from flatrender_render.farm import why
from flatrender_render.farm.fonts import Face
from flatrender_render.farm.install import faces_here, install_font
from flatrender_render.farm.remote import FarmRefused, HttpFiles, HttpLink
from flatrender_render.farm.wire import CommandResult

SOURCE = Path(flatrender.fonts.__file__).parent / "noto-sans-hebrew" / "NotoSansHebrew-Regular.ttf"
AE = {"engines": {"aerender": "24+1"}}


def font(family: str) -> bytes:
    """Return a font of this family; its PostScript name is the family's and ``-Regular``."""
    out = io.BytesIO()
    with TTFont(SOURCE) as made:
        for record in made["name"].names:
            if record.nameID in {1, 16}:
                record.string = family
            elif record.nameID in {2, 17}:
                record.string = "Regular"
            elif record.nameID == 6:
                record.string = f"{family}-Regular"
        made.save(out)
    return out.getvalue()


@pytest.fixture
def family() -> str:
    """A family that nobody else has."""
    return f"Fam{uuid4().hex[:10]}"


class Library:
    """The administrator's side; ``farm`` is a farm whose events are delivered."""

    def __init__(self, farm: Any) -> None:
        self.farm = farm

    async def bring(self, data: bytes) -> Any:
        """Upload a font and put it into the library."""
        file_id = await self.farm.upload(data)
        answer = await self.farm.ask("POST", "/v1/admin/fonts", json={"file_id": file_id})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def seen(self, family: str) -> Any:
        """Return the font in the farm's matrix once it is there."""

        async def look() -> Any:
            answer = await self.farm.ask("GET", "/v1/admin/farm/fonts", params={"q": family})
            assert answer.status_code == 200, answer.text
            data = answer.json()["data"]
            return data[0] if data else None

        return await self.farm.platform.until(look)

    async def on(self, family: str, node: Any) -> Any:
        """Return how the font is on a node."""
        nodes = (await self.seen(family))["nodes"]
        return next(one for one in nodes if one["node_id"] == str(node.id))


@pytest.fixture
def library(live_farm: Any) -> Library:
    """See :class:`Library`."""
    return Library(live_farm)


async def ordered(node: Any, client: Any, family: str) -> Any:
    """Return the order to install a font that the farm gives a node."""

    async def look() -> Any:
        found = (await node.pulse(client)).commands
        return next((one for one in found if one.arguments.get("family") == family), None)

    return await node.farm.platform.until(look)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this machine installs fonts."""
    monkeypatch.setenv("FLATRENDER_AERENDER_FONT_FOLDERS", str(tmp_path / "fonts"))
    return tmp_path / "fonts"


async def test_a_font_that_is_uploaded_once_is_installed_by_a_node(
    library: Library, family: str, folder: Path
) -> None:
    node = await library.farm.enrol()
    async with node.joined(**AE) as client:
        data = font(family)
        made = await library.bring(data)
        assert (made["family"], made["style"], made["source"]) == (family, "Regular", "Upload")
        order = await ordered(node, client, family)
        assert (await library.on(family, node))["state"] == "Pending"
        result = await install_font(order.arguments, HttpFiles(client, "/v1/node/fonts/"))
        assert result["faces"] == [f"{family} Regular"]
        (path,) = folder.iterdir()
        assert path.read_bytes() == data
        assert hashlib.sha256(data).hexdigest()[:32] in path.name
        assert Face(family=family, postscript=f"{family}-Regular") in await faces_here({"aerender"})
        answer = CommandResult(done=True, result=result)
        await client.call(f"/v1/node/commands/{order.id}", answer, dict)
        seen = await library.seen(family)
        assert (await library.on(family, node))["state"] == "Installed"
        assert seen["sha256"] == hashlib.sha256(data).hexdigest()
        again = await install_font(order.arguments, HttpFiles(client, "/v1/node/fonts/"))
        assert again == {"already": True}


async def test_a_node_at_work_installs_what_it_is_told(
    library: Library, family: str, folder: Path, tmp_path: Path
) -> None:
    node = await library.farm.enrol()
    platform = library.farm.platform
    async with node.at_work(tmp_path):

        async def joined() -> Any:
            return await platform.sql(
                "UPDATE render.nodes SET engines = engines || '{aerender}'::text[] "
                "WHERE id = $1 AND status = 'Idle' RETURNING id",
                node.id,
            )

        await platform.until(joined)  # as if it had an After Effects
        data = font(family)
        await library.bring(data)

        async def installed() -> bool:
            return bool((await library.on(family, node))["state"] == "Installed")

        await platform.until(installed)
    assert data in [path.read_bytes() for path in folder.iterdir()]


async def test_a_node_that_joins_later_is_told_and_one_that_has_it_is_not(
    library: Library, family: str
) -> None:
    await library.bring(font(family))
    await library.seen(family)
    late = await library.farm.enrol()
    async with late.joined(**AE) as client:
        order = await ordered(late, client, family)
        await client.call(
            f"/v1/node/commands/{order.id}", CommandResult(done=True, result={}), dict
        )
        has = [Face(family=family, postscript=f"{family}-Regular")]
        await late.hello(client, faces=has, **AE)
        assert not [one for one in (await late.pulse(client)).commands
                    if one.arguments.get("family") == family]  # fmt: skip
        await late.hello(client, **AE)  # its folder was emptied
        assert (await ordered(late, client, family)).arguments["family"] == family


async def test_a_failure_is_said_and_can_be_tried_again(library: Library, family: str) -> None:
    node = await library.farm.enrol()
    async with node.joined(**AE) as client:
        made = await library.bring(font(family))
        order = await ordered(node, client, family)
        answer = CommandResult(done=False, result={"error": "the disk is full"})
        await client.call(f"/v1/node/commands/{order.id}", answer, dict)
        on = await library.on(family, node)
        assert (on["state"], on["error"]) == ("Failed", "the disk is full")
        url = f"/v1/admin/farm/fonts/{made['id']}/install"
        assert (await library.farm.ask("POST", url)).status_code == 204
        assert (await ordered(node, client, family)).arguments["sha256"] == order.arguments[
            "sha256"
        ]
    missing = await library.farm.ask("POST", f"/v1/admin/farm/fonts/{uuid4()}/install")
    assert missing.status_code == 404


async def test_bytes_that_are_not_the_fonts_are_not_installed(
    library: Library, family: str, folder: Path
) -> None:
    from flatrender_render.engines.aerender.font_install import FontRefused

    class Other:
        def __init__(self, data: bytes) -> None:
            self.data = data

        async def download(self, key: str, target: Path) -> None:
            target.write_bytes(self.data)

    noise = b"no font"
    order = {"family": family, "style": "Regular", "postscript_name": "", "bytes": 1,
             "format": "ttf", "object_key": "x"}  # fmt: skip
    for sha256, data in (("0" * 64, font(family)), (hashlib.sha256(noise).hexdigest(), noise)):
        with pytest.raises(FontRefused):
            await install_font({**order, "sha256": sha256}, Other(data))
    assert list(folder.iterdir()) == []


async def test_a_node_reads_fonts_of_the_farm_and_nothing_else(
    library: Library, family: str, tmp_path: Path
) -> None:
    node = await library.farm.enrol()
    async with node.joined(**AE) as client:
        with pytest.raises(FarmRefused) as refused:
            await HttpFiles(client, "/v1/node/fonts/").download("packages/x.zip", tmp_path / "x")
        assert refused.value.code == "object_not_of_claim"
        await library.bring(font(family))
        key = (await ordered(node, client, family)).arguments["object_key"]
        with pytest.raises(FarmRefused) as refused:
            await HttpFiles(client, "/v1/node/fonts/").put(key, b"another font")
        assert refused.value.code == "object_not_of_claim"


async def test_what_is_no_font_is_refused_and_so_is_who_may_not(library: Library) -> None:
    answer = await library.farm.ask("POST", "/v1/admin/fonts", json={"file_id": str(uuid4())})
    assert answer.status_code == 404
    person = await library.farm.platform.person()
    for method, url in (("GET", "/v1/admin/farm/fonts"), ("POST", "/v1/admin/fonts")):
        refused = await library.farm.platform.client.request(
            method, url, headers=person.headers, json={"file_id": str(uuid4())}
        )
        assert refused.status_code == 403


async def test_a_job_waits_for_a_node_that_has_its_font(library: Library, family: str) -> None:
    farm = library.farm
    node = await farm.enrol()
    customer = await farm.lot.customer()
    wanted = f"{family}-Regular"
    async with node.joined() as client:
        # The needs of a template of ours, as a scan of a project leaves them.
        await farm.platform.sql(
            "UPDATE studio.saved_projects SET engine = 'aerender' WHERE id = $1",
            UUID(customer.saved["id"]),
        )
        await farm.platform.sql(
            "UPDATE content.container_versions v SET engine = 'aerender', manifest = $2 "
            "FROM studio.saved_projects s WHERE s.id = $1 AND v.container_id = s.container_id "
            "AND v.package_sha256 = s.package_sha256",
            UUID(customer.saved["id"]),
            json.dumps({"project": "p.aep", "comp": "frfinal", "mode": "Fix", "after_effects": 24,
                        "fonts": [{"family": family, "postscript": wanted}]}),
        )  # fmt: skip
        await node.hello(client, **AE)
        job = await customer.submit()
        await customer.hold(job["id"], "audio")
        context = farm.platform.runtime.plugins["render"].context
        assert await HttpLink(client, wait=0.0).claim("aerender") is None
        async with context.db.system("test") as work:
            found = await why.explain(work, UUID(job["id"]))
        assert found is not None
        assert (found.code, found.fonts) == ("no_font", [wanted])
        await node.hello(client, faces=[Face(family=family, postscript=wanted)], **AE)
        claim = await HttpLink(client, wait=0.0).claim("aerender")
        assert claim is not None
        assert str(claim.job.id) == job["id"]
        old = {"engines": {"aerender": "23+1"}}
        await HttpLink(client).give_back(claim)
        await node.hello(client, faces=[Face(family=family, postscript=wanted)], **old)
        assert await HttpLink(client, wait=0.0).claim("aerender") is None
        await customer.call("POST", f"/v1/renders/{job['id']}/cancel")


class Project:
    """A person's project of a template that needs a font, no longer shown to anybody."""

    def __init__(self, farm: Any, person: Any, saved: Any) -> None:
        self.farm = farm
        self.person = person
        self.saved = saved

    async def submit(self) -> Any:
        """Submit a render; only its pictures can be claimed."""
        answer = await self.farm.platform.client.post(
            "/v1/renders",
            json={"saved_project_id": self.saved["id"], "resolution": "360p"},
            headers={**self.person.headers, "Idempotency-Key": uuid4().hex},
        )
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def why(self, job: Any) -> Any:
        """Return what the farm says of why a job waits."""
        context = self.farm.platform.runtime.plugins["render"].context
        async with context.db.system("test") as work:
            return await why.explain(work, UUID(job["id"]))

    async def cancel(self, job: Any) -> None:
        """Leave nothing behind."""
        await self.farm.platform.client.post(
            f"/v1/renders/{job['id']}/cancel", headers=self.person.headers
        )


async def withdrawn(farm: Any, owner: UUID, person: Any, family: str) -> Project:
    """Return a person's project of a template of ``owner``'s that was unpublished since."""
    platform = farm.platform
    importer = import_module("flatrender_content.services.importer").ImportService
    data = package(manifest(slug=f"font-{uuid4().hex[:8]}"))
    context = platform.runtime.plugins["content"].context
    made = await context.get(importer).import_bytes(owner, data, publish=True)
    rows = await platform.sql(
        "SELECT id FROM content.projects WHERE container_id = $1", made.container_id
    )
    answer = await platform.client.post(
        "/v1/saved-projects", json={"project_id": str(rows[0]["id"])}, headers=person.headers
    )
    assert answer.status_code == 201, answer.text
    saved = answer.json()
    needs = {"project": "p.aep", "comp": "frfinal", "mode": "Fix", "after_effects": 24,
             "fonts": [{"family": family, "postscript": f"{family}-Regular"}]}  # fmt: skip
    # As a scan of a project leaves it.
    await platform.sql(
        "UPDATE content.container_versions SET engine = 'aerender', manifest = $2 "
        "WHERE container_id = $1",
        made.container_id,
        json.dumps(needs),
    )
    await platform.sql(
        "UPDATE studio.saved_projects SET engine = 'aerender' WHERE id = $1", UUID(saved["id"])
    )
    await platform.sql(
        "UPDATE content.project_containers SET published_at = NULL WHERE id = $1",
        made.container_id,
    )
    return Project(farm, person, saved)


async def test_a_template_that_was_unpublished_keeps_its_fonts_for_other_tenants(
    library: Library, family: str
) -> None:
    farm = library.farm
    _, key = await farm.platform.tenant()
    project = await withdrawn(
        farm, DEFAULT_TENANT_ID, await farm.platform.person(tenant_key=key), family
    )
    node = await farm.enrol()
    async with node.joined(**AE) as client:
        job = await project.submit()
        assert await HttpLink(client, wait=0.0).claim("aerender") is None
        found = await project.why(job)
        assert (found.code, found.fonts) == ("no_font", [f"{family}-Regular"])
        await project.cancel(job)


async def test_a_tenants_own_font_is_not_the_farms_and_its_job_says_what_it_waits_for(
    library: Library, family: str
) -> None:
    """A tenant's font is installed on no machine of everybody's; the farm's administrator's is."""
    farm = library.farm
    platform = farm.platform
    owner, key = await platform.tenant()
    project = await withdrawn(farm, owner, await platform.person(tenant_key=key), family)
    theirs = type(farm)(farm.lot, farm.address, await platform.admin(tenant_key=key))
    kept = await Library(theirs).bring(font(family))
    node = await farm.enrol()
    async with node.joined(**AE) as client:
        job = await project.submit()
        assert await HttpLink(client, wait=0.0).claim("aerender") is None
        found = await project.why(job)
        assert (found.code, found.fonts) == ("no_font", [f"{family}-Regular"])

        async def heard() -> bool:
            rows = await platform.sql(
                "SELECT 1 FROM content.outbox o JOIN render.inbox i USING (event_id) "
                "WHERE o.name = 'content.font.installed.v1' AND o.payload->'data'->>'font_id' = $1",
                kept["id"],
            )
            return bool(rows)

        await platform.until(heard)
        asked = await farm.ask("GET", "/v1/admin/farm/fonts", params={"q": family})
        assert asked.json()["data"] == []
        await library.bring(font(family))
        assert (await ordered(node, client, family)).arguments["family"] == family
        await node.hello(client, faces=[Face(family=family, postscript=f"{family}-Regular")], **AE)
        claim = await HttpLink(client, wait=0.0).claim("aerender")
        assert claim is not None
        assert str(claim.job.id) == job["id"]
        await HttpLink(client).give_back(claim)
        await project.cancel(job)
