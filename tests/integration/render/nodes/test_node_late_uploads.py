"""Links outlive their attempt: what a machine writes late over what was proven reaches nobody."""

import asyncio
import contextlib
import gzip
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from msgspec.structs import replace

from flatrender_render.farm import wire
from flatrender_render.farm.claims import Claim, StaleEpoch
from flatrender_render.farm.remote import FarmRefused, HttpLink
from flatrender_render.farm.repairs import Damage
from flatrender_render.farm.reports import FinishedExport, Piece
from flatrender_render.farm.runner import Runner
from flatrender_render.media.encode import SegmentEncoder, VideoFormat
from flatrender_render.services import held_claims
from flatrender_render.services.held import PICTURE_BYTES

_PIECES = """
SELECT kind, object_key, sha256, packets, bytes FROM render.frame_jobs WHERE job_id = $1
"""
_EXPORT = """
SELECT object_key, poster_object_key, thumbnail_object_key, contact_sheet_object_key, sha256,
       duration, audio_codec
FROM render.exports WHERE job_id = $1
"""


class Intruder:
    """A machine that does a job by hand, with what the same job made before, and keeps its links.

    The engine gives the same bytes for the same input, so the facts of the first job hold.
    """

    def __init__(self, farm: Any, client: Any, made: dict[str, Any]) -> None:
        self.farm = farm
        self.link = HttpLink(client, wait=5.0)
        self.client = client
        self.made = made
        self.puts: dict[str, str] = {}

    async def take(self, job_id: str) -> Claim:
        claim = await self.link.claim("lottie")
        assert claim is not None
        assert str(claim.job.id) == job_id
        await self.link.begin(claim)
        return claim

    async def send(self, claim: Claim, key: str, data: bytes) -> None:
        """Upload over a presigned link, and keep the link."""
        path = f"{wire.API}/claims/{claim.id}/{claim.epoch}/links"
        links = await self.client.call(path, wire.Links(put=[key]), wire.PresignedLinks)
        self.puts[key] = links.put[key]
        await self.overwrite(key, data)

    async def overwrite(self, key: str, data: bytes, **headers: str) -> None:
        async with httpx.AsyncClient() as store:
            answer = await store.put(self.puts[key], content=data, headers=headers)
        assert answer.status_code == 200, answer.text

    async def piece(self, claim: Claim) -> str:
        """Do a piece; return its key."""
        row, data = self.made[claim.kind]
        key = claim.object_key("mp4" if claim.kind == "video" else "m4a")
        await self.send(claim, key, data)
        piece = Piece(
            object_key=key, sha256=row["sha256"], packets=row["packets"] or 0,
            bytes=row["bytes"], frames=claim.frames,
        )  # fmt: skip
        await self.link.complete(claim, piece, None)
        return key

    async def pieces(self, job_id: str) -> None:
        """Make the video and the sound of a short job."""
        for _ in range(2):
            await self.piece(await self.take(job_id))

    async def assembled(self, job_id: str) -> tuple[Claim, FinishedExport]:
        """Make all of a short job; its end has not been told."""
        await self.pieces(job_id)
        claim = await self.take(job_id)
        assert claim.kind == "assemble"
        return claim, await self.assembly(claim)

    async def assembly(self, claim: Claim) -> FinishedExport:
        """Upload the video and its pictures."""
        row, data, pictures = self.made["export"]
        place = f"exports/{claim.job.tenant_id}/{claim.job.id}/{claim.epoch}"
        names = ("video.mp4", "poster.jpg", "thumbnail.jpg", "sheet.png")
        keys = [f"{place}/{name}" for name in names]
        for key, content in zip(keys, (data, *pictures), strict=True):
            await self.send(claim, key, content)
        for step in ("Uploading", "Validating"):
            await self.client.call(
                f"{wire.API}/claims/{claim.id}/{claim.epoch}/enter",
                wire.Enter(step=step),  # type: ignore[arg-type]  # sent as it is written
                dict,
            )
        piece = Piece(
            object_key=keys[0], sha256=row["sha256"], frames=claim.frames, packets=0,
            bytes=len(data),
        )  # fmt: skip
        return FinishedExport(
            piece=piece,
            duration=row["duration"],
            audio_codec=row["audio_codec"],
            poster_key=keys[1],
            thumbnail_key=keys[2],
            sheet_key=keys[3],
        )


@pytest.fixture(scope="module")
async def made(farm: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an undisturbed job made: each piece and the export, with their bytes."""
    customer = await farm.lot.customer()
    node = await farm.enrol()
    async with node.at_work(tmp_path_factory.mktemp("node")):
        job = await customer.submit()
        assert (await customer.ended(job["id"]))["step"] == "Done"
    store = farm.platform.runtime.infra.storage
    rows = await farm.platform.sql(_PIECES, UUID(job["id"]))
    found = {
        row["kind"]: (row, await store.get(row["object_key"]))
        for row in rows
        if row["kind"] != "assemble"
    }
    (export,) = await farm.platform.sql(_EXPORT, UUID(job["id"]))
    data, *pictures = [await store.get(key) for key in list(export)[:4]]
    return {**found, "export": (export, data, pictures)}


@pytest.fixture
async def intrusion(farm: Any, made: dict[str, Any]) -> AsyncIterator[Any]:
    """A job of the same film, and a machine that does it by hand."""
    customer = await farm.lot.customer()
    node = await farm.enrol()
    client = node.client()
    await node.hello(client)
    job = await customer.submit()
    try:
        yield customer, job, Intruder(farm, client, made), node
    finally:
        with contextlib.suppress(Exception):
            await node.bye(client)
        await client.close()


@pytest.mark.parametrize("kind", ["altered", "packed", "longer"])
async def test_a_piece_that_changed_after_its_proof_is_made_again(
    farm: Any, intrusion: Any, made: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    customer, job, intruder, node = intrusion
    keys = {}
    for _ in range(2):
        claim = await intruder.take(job["id"])
        keys[claim.kind] = await intruder.piece(claim)
    video = made["video"][1]
    forged, headers = {
        "altered": (video[:-1] + bytes([video[-1] ^ 1]), {}),  # as long, and nearly whole
        # The same bytes to who unpacks what an uploader calls packed, which may be a bomb.
        "packed": (gzip.compress(video), {"content-encoding": "gzip"}),
        "longer": (video + bytes(2**20), {}),
    }[kind]
    await intruder.overwrite(keys["video"], forged, **headers)
    await node.bye(intruder.client)
    other = await farm.enrol()
    async with other.at_work(tmp_path):
        ended = await customer.ended(job["id"])
    assert ended["step"] == "Done"
    repairs = await farm.platform.sql(
        "SELECT defect, state FROM render.frame_repair_jobs WHERE job_id = $1", UUID(job["id"])
    )
    assert [tuple(row) for row in repairs] == [("wrong_hash", "Done")]
    assert await _downloaded(customer, ended) == made["export"][1]


async def test_a_finished_video_stays_as_it_was_reported(
    intrusion: Any, made: dict[str, Any], farm: Any
) -> None:
    customer, job, intruder, _ = intrusion
    claim, export = await intruder.assembled(job["id"])
    await intruder.link.finish(claim, export)
    for key in intruder.puts:
        await intruder.overwrite(key, b"something else")
    await intruder.link.finish(claim, export)  # an answer got lost: nothing is taken anew
    ended = await customer.ended(job["id"])
    assert ended["step"] == "Done"
    assert await _downloaded(customer, ended) == made["export"][1]
    (row,) = await farm.platform.sql(_EXPORT, UUID(job["id"]))
    store = farm.platform.runtime.infra.storage
    assert [await store.get(key) for key in list(row)[1:4]] == made["export"][2]
    left = await farm.platform.sql(
        "SELECT object_key FROM render.object_removals WHERE object_key = ANY ($1) "
        "AND not_before > now() + interval '15 minutes'",
        list(intruder.puts),
    )
    assert {row["object_key"] for row in left} == {k for k in intruder.puts if "exports/" in k}


async def test_what_is_no_video_or_picture_is_not_taken_for_one(
    intrusion: Any, made: dict[str, Any], farm: Any
) -> None:
    customer, job, intruder, _ = intrusion
    claim, export = await intruder.assembled(job["id"])
    _, data, pictures = made["export"]
    contents = dict(zip(intruder.puts, (b"", b"", data, *pictures), strict=True))
    page = b"<script>alert(document.domain)</script>"
    places = (export.piece.object_key, export.poster_key, export.thumbnail_key, export.sheet_key)
    for key in places:
        await intruder.overwrite(
            key, page.ljust(len(contents[key])), **{"content-type": "text/html"}
        )
        with pytest.raises(FarmRefused) as refused:
            await intruder.link.finish(claim, export)
        assert refused.value.code == "object_not_there", key
        # The right bytes with a browser misled about them.
        await intruder.overwrite(
            key, contents[key],
            **{"content-type": "text/html", "content-encoding": "gzip",
               "content-disposition": 'inline; filename="page.html"', "cache-control": "public"},
        )  # fmt: skip
    with pytest.raises(FarmRefused) as refused:
        await intruder.link.finish(claim, replace(export, sheet_key=export.poster_key))
    assert refused.value.code == "object_not_there"
    await intruder.link.finish(claim, export)
    ended = await customer.ended(job["id"])
    place = f"/v1/exports/{ended['export_id']}"
    kinds = {"poster": "image/jpeg", "thumbnail": "image/jpeg", "contact-sheet": "image/png",
             "download": "video/mp4"}  # fmt: skip
    async with httpx.AsyncClient() as store:
        for (part, kind), content in zip(kinds.items(), (*pictures, data), strict=True):
            answer = await customer.call("GET", f"{place}/{part}")
            got = await store.get(answer.headers["location"])
            assert got.headers["content-type"] == kind
            assert "content-encoding" not in got.headers
            assert "page.html" not in got.headers.get("content-disposition", "")
            assert got.headers.get("cache-control") is None
            assert got.content == content


async def test_the_farm_looks_at_a_finished_video_itself(
    intrusion: Any, made: dict[str, Any], farm: Any, tmp_path: Path
) -> None:
    """A node whose memory spoils what it proved: the bytes are as reported and no film."""
    customer, job, intruder, node = intrusion
    claim, export = await intruder.assembled(job["id"])
    film = made["export"][1]
    middle = film.index(b"mdat") + 8 + 3000
    spoiled = film[:middle] + bytes(300) + film[middle + 300 :]
    await intruder.overwrite(export.piece.object_key, spoiled)
    digest = hashlib.sha256(spoiled).hexdigest()
    with pytest.raises(StaleEpoch):
        await intruder.link.finish(
            claim, replace(export, piece=replace(export.piece, sha256=digest))
        )
    (attempt,) = await farm.platform.sql(
        "SELECT outcome, error_class, error_code, blamed FROM render.frame_attempts "
        "WHERE frame_job_id = $1 AND epoch = $2",
        claim.id,
        claim.epoch,
    )
    assert tuple(attempt) == ("Failed", "node", "node_result_bad", False)
    await node.bye(intruder.client)
    async with (await farm.enrol()).at_work(tmp_path):
        ended = await customer.ended(job["id"])
    assert ended["step"] == "Done"
    assert await _downloaded(customer, ended) == film


async def test_stills_that_do_not_show_the_video_do_not_count(
    intrusion: Any, made: dict[str, Any], farm: Any
) -> None:
    _, job, intruder, _ = intrusion
    claim, export = await intruder.assembled(job["id"])
    await intruder.overwrite(export.poster_key, made["export"][2][1])  # the thumbnail
    with pytest.raises(StaleEpoch):
        await intruder.link.finish(claim, export)
    rows = await farm.platform.sql(
        "SELECT error_code FROM render.frame_jobs WHERE id = $1", claim.id
    )
    assert [row[0] for row in rows] == ["node_result_bad"]


async def test_a_piece_that_was_never_good_is_made_again_elsewhere(
    intrusion: Any, made: dict[str, Any], farm: Any, tmp_path: Path
) -> None:
    """A piece with the hash that its node told, and no frames behind it: whoever assembles, the
    farm finds the range, blames its maker and has just that range made again."""
    customer, job, intruder, node = intrusion
    row, data = made["video"]
    middle = data.index(b"mdat") + 8 + 3000
    spoiled = data[:middle] + bytes(300) + data[middle + 300 :]
    facts = {"object_key": row["object_key"], "packets": row["packets"], "bytes": row["bytes"],
             "sha256": hashlib.sha256(spoiled).hexdigest()}  # fmt: skip
    intruder.made = {**made, "video": (facts, spoiled)}
    await intruder.pieces(job["id"])
    await node.bye(intruder.client)
    other = await farm.enrol()
    async with other.at_work(tmp_path):
        ended = await customer.ended(job["id"])
    assert ended["step"] == "Done"
    assert await _downloaded(customer, ended) == made["export"][1]
    repairs = await farm.platform.sql(
        "SELECT r.defect, r.state, f.kind FROM render.frame_repair_jobs r "
        "JOIN render.frame_jobs f ON f.id = r.frame_job_id WHERE r.job_id = $1",
        UUID(job["id"]),
    )
    assert [tuple(one) for one in repairs] == [("corrupt", "Done", "video")]
    crashes = await farm.platform.sql(
        "SELECT job_id FROM render.node_crashes WHERE node_id = $1", node.id
    )
    assert [one[0] for one in crashes] == [UUID(job["id"])]


async def test_a_worker_that_joins_pieces_of_machines_outside_proves_them_again(
    intrusion: Any, made: dict[str, Any], farm: Any, tmp_path: Path
) -> None:
    """A piece that is a whole segment, with the right hash, and shows something else."""
    customer, job, intruder, node = intrusion
    path = tmp_path / "grey.mp4"
    claim = await intruder.take(job["id"])
    while claim.kind != "video":
        await intruder.piece(claim)
        claim = await intruder.take(job["id"])
    form = VideoFormat(width=claim.job.width, height=claim.job.height, fps=claim.job.fps)
    with SegmentEncoder(path, form) as encoder:
        for _ in range(claim.frames):
            encoder.buffer[:] = 128
            encoder.write()
        facts = encoder.finish()
    told = {"sha256": facts.sha256, "packets": facts.packets, "bytes": facts.size}
    intruder.made = {**made, "video": (told, path.read_bytes())}
    await intruder.piece(claim)
    if len(intruder.puts) == 1:  # the sound comes after it
        await intruder.piece(await intruder.take(job["id"]))
    await node.bye(intruder.client)
    context = farm.platform.runtime.plugins["render"].context
    await context.get(Runner).work("lottie")
    ended = await customer.ended(job["id"])
    assert ended["step"] == "Done"
    assert await _downloaded(customer, ended) == made["export"][1]
    repairs = await farm.platform.sql(
        "SELECT defect, state FROM render.frame_repair_jobs WHERE job_id = $1", UUID(job["id"])
    )
    assert [tuple(one) for one in repairs] == [("frozen", "Done")]
    crashes = await farm.platform.sql(
        "SELECT job_id FROM render.node_crashes WHERE node_id = $1", node.id
    )
    assert [one[0] for one in crashes] == [UUID(job["id"])]


async def test_a_machine_outside_blames_nobody(intrusion: Any, farm: Any, tmp_path: Path) -> None:
    """What a node says of another one's piece has it made again, and is no proof against it."""
    customer, job, intruder, node = intrusion
    await intruder.pieces(job["id"])
    await node.bye(intruder.client)
    other = await farm.enrol()
    async with other.joined() as client:
        link = HttpLink(client, wait=5.0)
        claim = await link.claim("lottie")
        assert claim is not None
        assert claim.kind == "assemble"
        assert not any(part.outside for part in await link.parts(claim))
        await link.damaged(claim, [Damage(kind="video", index=0, defect="corrupt")], "says who")
    crashes = await farm.platform.sql(
        "SELECT id FROM render.node_crashes WHERE node_id = $1", node.id
    )
    assert crashes == []
    async with (await farm.enrol()).at_work(tmp_path):
        assert (await customer.ended(job["id"]))["step"] == "Done"


async def test_what_is_larger_than_any_film_or_picture_is_not_fetched(
    intrusion: Any, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a node stores has no bound but this one, and the farm looks at it on its own disk."""
    _, job, intruder, _ = intrusion
    with monkeypatch.context() as patch:
        patch.setattr(held_claims, "most_bytes", lambda *_: made["video"][0]["bytes"] - 1)
        claim = await intruder.take(job["id"])
        while claim.kind != "video":
            await intruder.piece(claim)
            claim = await intruder.take(job["id"])
        with pytest.raises(FarmRefused) as refused:
            await intruder.piece(claim)
        assert refused.value.code == "object_not_there"
    await intruder.piece(claim)
    claim = await intruder.take(job["id"])
    while claim.kind != "assemble":
        await intruder.piece(claim)
        claim = await intruder.take(job["id"])
    export = await intruder.assembly(claim)
    await intruder.overwrite(export.poster_key, b"\xff\xd8\xff".ljust(PICTURE_BYTES + 1))
    with pytest.raises(FarmRefused) as refused:
        await intruder.link.finish(claim, export)
    assert refused.value.code == "object_not_there"
    await intruder.overwrite(export.poster_key, made["export"][2][0])
    await intruder.link.finish(claim, export)


async def test_two_reports_at_once_keep_one_video(
    intrusion: Any, made: dict[str, Any], farm: Any
) -> None:
    customer, job, intruder, _ = intrusion
    claim, export = await intruder.assembled(job["id"])
    await asyncio.gather(*(intruder.link.finish(claim, export) for _ in range(3)))
    ended = await customer.ended(job["id"])
    assert await _downloaded(customer, ended) == made["export"][1]
    (row,) = await farm.platform.sql(_EXPORT, UUID(job["id"]))
    removed = await farm.platform.sql(
        "SELECT object_key FROM render.object_removals WHERE object_key = ANY ($1)",
        list(row)[:4],
    )
    assert removed == []


async def _downloaded(customer: Any, ended: Any) -> bytes:
    """Return the export as the customer gets it."""
    export = await customer.get(f"/v1/exports/{ended['export_id']}")
    answer = await customer.platform.client.get(
        f"/v1/exports/{export['id']}/download", headers=customer.person.headers
    )
    async with httpx.AsyncClient(follow_redirects=True) as store:
        data = (await store.get(answer.headers["location"])).content
    assert hashlib.sha256(data).hexdigest() == export["sha256"]
    return data
