"""A node whose secret fell into bad hands: it says what no node says, and nothing comes of it."""

import itertools
import json
import time
from typing import Any

import httpx
import pytest

from flatrender.security.signatures import sign_request
from flatrender_render.farm import wire
from flatrender_render.farm.pieces import needed_files

_SERIAL = itertools.count(1_000_000)
_HUGE = 2**40


async def _say(farm: Any, node: Any, path: str, body: Any = None) -> httpx.Response:
    """Send what the node's own client would never send, signed as it signs."""
    target = f"{wire.API}{path}?n={next(_SERIAL)}"
    data = b"" if body is None else json.dumps(body).encode()
    stamp = int(time.time())
    headers = {
        "content-type": "application/json",
        "x-node-id": str(node.id),
        "x-node-timestamp": str(stamp),
        "x-node-signature": sign_request(node.secret, stamp, "POST", target, data),
    }
    answer: httpx.Response = await farm.platform.client.post(target, content=data, headers=headers)
    return answer


async def _told(farm: Any, held: Any, act: str, body: Any = None) -> tuple[int, str]:
    claim = held.claim
    answer = await _say(farm, held.node, f"/claims/{claim.id}/{claim.epoch}/{act}", body)
    return answer.status_code, answer.json()["code"] if answer.content else ""


def _piece(claim: Any, **more: Any) -> dict[str, Any]:
    piece = {
        "object_key": claim.object_key("mp4"),
        "sha256": "0" * 64,
        "frames": claim.frames,
        "packets": claim.frames,
        "bytes": 3,
    }
    return {**piece, **more}


async def _state(farm: Any, claim: Any) -> tuple[Any, ...]:
    (row,) = await farm.platform.sql(
        "SELECT j.step, j.compute_seconds, f.state, f.held, f.done_frames "
        "FROM render.frame_jobs f JOIN render.render_jobs j ON j.id = f.job_id WHERE f.id = $1",
        claim.id,
    )
    return tuple(row)


async def test_a_piece_is_no_assembly(farm: Any) -> None:
    async with farm.holding() as held:
        claim = held.claim
        key = claim.object_key("mp4")
        await held.link.files(claim).put(key, b"abc")
        before = await _state(farm, claim)
        pictures = {"poster_key": key, "thumbnail_key": key, "sheet_key": key}
        export = {"piece": _piece(claim), "duration": 1, "audio_codec": None, **pictures}
        damage = {"kind": "video", "index": 0, "defect": "missing"}
        for act, body in (
            ("enter", {"step": "Uploading"}),
            ("enter", {"step": "Cancelled"}),
            ("parts", None),
            ("damaged", {"damages": [damage], "reason": "so"}),
            ("finish", {"export": export}),
            ("complete", {"piece": _piece(claim, frames=claim.frames + 1)}),
        ):
            assert await _told(farm, held, act, body) == (403, "act_not_of_claim"), act
        assert await _state(farm, claim) == before


async def test_an_assembly_moves_its_job_no_further_than_it_works(farm: Any) -> None:
    async with farm.holding() as held:
        claim = held.claim
        await farm.platform.sql(
            "UPDATE render.frame_jobs SET kind = 'assemble' WHERE id = $1", claim.id
        )
        await farm.platform.sql(
            "UPDATE render.render_jobs SET step = 'Validating' WHERE id = $1", claim.job.id
        )
        for step in ("Done", "Failed", "Cancelled", "Repairing", "Paused", "Queued"):
            assert await _told(farm, held, "enter", {"step": step}) == (403, "act_not_of_claim")
        assert (await _told(farm, held, "enter", {"step": "Uploading"}))[0] == 204
        piece = _piece(claim)
        assert (await _told(farm, held, "complete", {"piece": piece}))[0] == 403
        assert (await _state(farm, claim))[0] == "Validating"


@pytest.mark.parametrize(
    "fault",
    [
        {"frames": -5},
        {"frames": _HUGE},
        {"packets": -1},
        {"packets": _HUGE},
        {"bytes": -1},
        {"render": -1e9},
        {"encode": 1e300},
        {"sha256": "x"},
        {"sha256": "0" * 64 + "\n"},
        {"object_key": "k" * 600},
    ],
    ids=str,
)
async def test_what_a_piece_weighs_is_within_bounds(
    farm: Any, held_once: Any, fault: dict[str, Any]
) -> None:
    before = await _state(farm, held_once.claim)
    report = {"piece": _piece(held_once.claim, **fault)}
    assert await _told(farm, held_once, "complete", report) == (422, "validation_failed")
    assert await _state(farm, held_once.claim) == before


@pytest.mark.parametrize(
    "fault",
    [
        {"code": "x" * 100_000},
        {"code": "lottie_<b>free</b>"},
        {"code": "lottie_broken\nlevel=error"},
        {"message": "x" * 8001},
        {"message": "\0"},
        {"defect": "x" * 61},
        {"frames": [-1]},
        {"exit_code": 2**32},
    ],
    ids=lambda fault: str(fault)[:30],
)
async def test_why_a_piece_failed_is_told_in_few_words(
    farm: Any, held_once: Any, fault: dict[str, Any]
) -> None:
    before = await _state(farm, held_once.claim)
    failure = {"code": "internal", "message": "so", **fault}
    told = await _told(farm, held_once, "fail", {"failure": failure})
    assert told == (422, "validation_failed")
    assert await _state(farm, held_once.claim) == before


async def test_what_is_kept_of_a_proof_is_bounded(farm: Any, held_once: Any) -> None:
    report = {"piece": _piece(held_once.claim, proof={"note": "x" * wire.REPORT_BYTES})}
    assert (await _told(farm, held_once, "complete", report))[0] == 413


async def test_no_links_are_made_for_more_than_a_piece_can_be(farm: Any, held_once: Any) -> None:
    plan = {"key": held_once.claim.object_key("mp4"), "size": 50 * 2**30}
    assert await _told(farm, held_once, "uploads", plan) == (422, "validation_failed")


async def test_numbers_that_no_column_holds_are_refused_not_stumbled_over(
    farm: Any, held_once: Any
) -> None:
    claim, node = held_once.claim, held_once.node
    for epoch in (-1, 2**31, 2**63, 10**22):
        for path in (f"/claims/{claim.id}/{epoch}/begin", f"/scans/{claim.id}/{epoch}/beat"):
            answer = await _say(farm, node, path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    package = {"sha256": "a" * 64, "bytes": 1, "pins": _HUGE}
    pulse = {"busy_slots": 0, "disk_free_bytes": 1, "packages": [package]}
    assert (await _say(farm, node, "/pulse", pulse)).status_code == 422
    damage = {"kind": "video", "index": _HUGE, "defect": "missing"}
    for act, body in (
        ("beat", {"frames": _HUGE}),
        ("damaged", {"damages": [damage], "reason": "so"}),
        ("uploads", {"key": claim.object_key("mp4"), "size": 9, "content_type": "a/b\r\nx: y"}),
    ):
        assert await _told(farm, held_once, act, body) == (422, "validation_failed"), act
    unknown = {"key": claim.object_key("mp4"), "upload_id": "a&b=/../c", "etags": ["x"]}
    assert await _told(farm, held_once, "uploads/end", unknown) == (409, "object_not_there")
    accented = {"put": [claim.object_key("é")]}
    assert await _told(farm, held_once, "links", accented) == (403, "object_not_of_claim")


@pytest.mark.parametrize(
    "preview",
    [
        "javascript:alert(1)",
        "data:text/html;base64,PGI+",
        "data:image/svg+xml;base64,PGI+",
        'data:image/jpeg;base64,AA" onerror="alert(1)',
        "data:image/jpeg;base64,AAAA\n",
    ],
)
async def test_a_preview_is_the_bytes_of_a_jpeg(farm: Any, held_once: Any, preview: str) -> None:
    beat = {"frames": 1, "preview": preview}
    assert await _told(farm, held_once, "beat", beat) == (422, "validation_failed")
    beat["preview"] = "data:image/jpeg;base64,/9j/4AAQSkZJRg=="
    assert (await _told(farm, held_once, "beat", beat))[0] == 204


async def test_what_was_proven_is_written_and_read_no_more(farm: Any) -> None:
    async with farm.holding() as held:
        claim = held.claim
        key = claim.object_key("mp4")
        await held.link.files(claim).put(key, b"abc")
        plan = {"key": key, "size": 2 * wire.PART_BYTES}
        answer = await _say(farm, held.node, f"/claims/{claim.id}/{claim.epoch}/uploads", plan)
        upload = {"key": key, "upload_id": answer.json()["upload_id"], "etags": ["x"]}
        assert (await _told(farm, held, "complete", {"piece": _piece(claim)}))[0] == 204
        asset = next(iter(needed_files(claim).values()))
        for act, body in (
            ("links", {"put": [key]}),
            ("links", {"get": [asset]}),
            ("uploads", plan),
            ("uploads/end", upload),
        ):
            assert await _told(farm, held, act, body) == (409, "stale_epoch"), act


async def test_a_piece_counts_no_more_frames_than_it_has(farm: Any) -> None:
    async with farm.holding("long") as held:
        second = await held.link.claim("lottie")
        assert second is not None, "the second piece of the same job"
        for claim in (held.claim, second):
            path = f"/claims/{claim.id}/{claim.epoch}/beat"
            answer = await _say(farm, held.node, path, {"frames": 2**31 - 1})
            assert answer.status_code == 204
            assert (await _state(farm, claim))[4] == claim.frames
        job = held.job["id"]
        await farm.platform.sql(
            "UPDATE render.frame_jobs SET done_frames = done_frames - 1 WHERE id = $1", second.id
        )
        # What was drawn decides what a customer who stops gets back.
        answer = await held.customer.call("POST", f"/v1/renders/{job}/cancel")
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
async def held_once(farm: Any) -> Any:
    """One claim for all that changes nothing."""
    async with farm.holding() as held:
        yield held
