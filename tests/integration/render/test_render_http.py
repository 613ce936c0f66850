"""Renders over HTTP, from submit to the decoded film: what they take, give back and prove."""

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import av
import httpx
import numpy as np
import pytest

from flatrender.testing.packages import picture
from flatrender.testing.platform import Platform
from flatrender_render.farm.wake import WORK, Wake


async def bytes_of(customer: Any, path: str) -> bytes:
    """Follow one of our permanent links to the bytes."""
    answer = await customer.call("GET", path)
    assert answer.status_code == 302, answer.text
    assert answer.headers["cache-control"] == "no-store"
    async with httpx.AsyncClient() as store:
        got = await store.get(answer.headers["location"])
    assert got.status_code == 200
    return got.content


async def export_of(customer: Any, job: Any) -> tuple[Any, bytes]:
    """Return the export of a finished job and its film."""
    export = await customer.get(f"/v1/exports/{job['export_id']}")
    return export, await bytes_of(customer, f"/v1/exports/{export['id']}/download")


@contextmanager
def opened(data: bytes) -> Iterator[Any]:
    with av.open(io.BytesIO(data)) as container:
        yield container


def pictures(data: bytes) -> Any:
    """Decode a film to grey pictures."""
    with opened(data) as container:
        return np.stack([f.to_ndarray(format="gray") for f in container.decode(video=0)])


async def test_a_free_render_from_submit_to_film(lot: Any, platform: Platform) -> None:
    customer = await lot.customer("long")
    accepted = await customer.submit()
    assert accepted["step"] in {"Queued", "Rendering"}
    assert (accepted["width"], accepted["height"], accepted["fps"]) == (640, 360, 30)
    assert accepted["total_frames"] == 120
    assert accepted["watermark"] is True
    assert accepted["charge_minor"] == 0

    job = await customer.ended(accepted["id"])
    assert (job["step"], job["progress"], job["current_frame"]) == ("Done", 1.0, 120), job
    assert job["failure"] is None
    assert job["why_waiting"] is None
    assert {"render", "convert", "encode", "upload"} <= set(job["timings"])
    assert all(seconds > 0 for seconds in job["timings"].values())
    assert job["compute_seconds"] > 0
    pieces = [(p["kind"], p["index"], p["state"]) for p in job["chunks"]]
    assert sorted(pieces) == [
        ("assemble", 0, "Done"),
        ("audio", 0, "Done"),
        ("video", 0, "Done"),
        ("video", 1, "Done"),
    ]

    history = await customer.get(f"/v1/renders/{job['id']}/history")
    tries = [(p["kind"], a) for p in history["pieces"] for a in p["attempts"]]
    for kind, attempt in tries:
        first = attempt["first_frame_seconds"]
        assert 0 < first < attempt["seconds"] if kind == "video" else not first

    export, film = await export_of(customer, job)
    assert (export["width"], export["height"], export["frames"]) == (640, 360, 120)
    assert (export["duration_sec"], export["size_bytes"]) == (4.0, len(film))
    assert film.index(b"moov") < film.index(b"mdat"), "the index comes first"
    with opened(film) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        context = video.codec_context
        assert (context.width, context.height, context.name) == (640, 360, "h264")
        tags = (context.colorspace, context.color_primaries, context.color_trc)
        assert [int(tag) for tag in tags] == [1, 1, 1], "BT.709"
        assert video.average_rate == 30
        assert audio.codec_context.name == "aac"
        assert abs(float(audio.duration * audio.time_base) - 4.0) <= 1024 / 48_000
        assert sum(1 for _ in container.decode(video)) == 120

    reservation = await customer.reservation(job["id"], "Settled")
    assert reservation["charge_minor"] == 0
    (completed,) = await platform.sql(
        "SELECT o.payload->'data'->>'container_id' = j.container_id::text AS named "
        "FROM render.outbox o JOIN render.render_jobs j ON j.id = $1 "
        "WHERE o.name = 'render.job.completed.v1' AND o.payload->'data'->>'job_id' = j.id::text",
        UUID(job["id"]),
    )
    assert completed["named"], "the template that was rendered"
    assert (await customer.limits())["daily_used"] == 1

    async def told() -> Any:
        inbox = (await customer.get("/v1/notifications"))["data"]
        return [n for n in inbox if n["type"] == "RenderCompleted"]

    (notice,) = await platform.until(told)
    assert notice["data"]["job_id"] == job["id"]
    assert notice["data"]["export_id"] == job["export_id"]


async def test_the_mark_is_on_free_films_only(lot: Any) -> None:
    free, paid = await lot.customer("short"), await lot.customer("short", plan="plus")
    jobs = [await free.submit(), await paid.submit()]
    films = []
    for customer, job in zip((free, paid), jobs, strict=True):
        ended = await customer.ended(job["id"])
        assert ended["step"] == "Done", ended
        films.append(pictures((await export_of(customer, ended))[1]).astype(int))
    assert [job["watermark"] for job in jobs] == [True, False]
    # Where the mark lies the two differ in every picture; the films are otherwise the same.
    differs = np.abs(films[0] - films[1]).min(axis=0)
    assert (differs > 8).mean() > 0.005
    assert np.median(differs) < 3
    # The paid one shows what the snapshot shows.
    shot = (await paid.call("POST", "/v1/snapshots",
                            {"saved_project_id": paid.saved["id"], "time": 1.0, "width": 640})
            ).json()  # fmt: skip
    with opened(await bytes_of(paid, f"/v1/snapshots/{shot['id']}/image")) as container:
        still = next(container.decode(video=0)).to_ndarray(format="gray").astype(int)
    assert np.abs(films[1][30] - still).mean() < 4
    assert np.abs(films[0][30] - still).mean() > np.abs(films[1][30] - still).mean()


async def test_the_same_key_gives_the_same_job(lot: Any, platform: Platform) -> None:
    customer = await lot.customer()
    first, second = await customer.ask(key="once"), await customer.ask(key="once")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    other = await customer.ask(key="once", resolution="720p")
    assert other.status_code == 422
    taken = await platform.sql(
        "SELECT count(*) AS n FROM identity.render_reservations WHERE user_id = $1",
        customer.person.id,
    )
    assert taken[0]["n"] == 1
    await customer.ended(first.json()["id"])
    assert (await customer.limits())["daily_used"] == 1


async def test_what_a_plan_does_not_allow_is_refused(lot: Any, platform: Platform) -> None:
    free = await lot.customer()
    locked = await free.ask("540p")
    assert (locked.status_code, locked.json()["code"]) == (403, "quality_locked")
    assert locked.json()["max_resolution"] == "360p"
    await platform.sql(
        "UPDATE identity.users SET daily_render_limit = 1 WHERE id = $1", free.person.id
    )
    job = await free.submit()
    used_up = await free.ask()
    assert (used_up.status_code, used_up.json()["code"]) == (429, "daily_limit_reached")
    assert int(used_up.headers["retry-after"]) > 0

    paid = await lot.customer(plan="plus")
    await paid.give_charge(999)
    dear = await paid.ask("540p")
    assert (dear.status_code, dear.json()["code"]) == (402, "not_enough_charge")
    limits = await paid.limits()
    assert (limits["daily_used"], limits["charge_minor"]) == (0, 999)
    jobs = await platform.sql(
        "SELECT count(*) AS n FROM render.render_jobs WHERE user_id = $1", paid.person.id
    )
    assert jobs[0]["n"] == 0
    await free.ended(job["id"])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"resolution": "8K"}, "/resolution"),
        ({"watermark": False}, "/watermark"),
        ({"saved_project_id": "x"}, "/saved_project_id"),
    ],
)
async def test_a_bad_body_is_refused_by_place(lot: Any, body: Any, pointer: str) -> None:
    customer = await lot.customer()
    refused = await customer.ask(**body)
    assert refused.status_code == 422
    assert [e["pointer"] for e in refused.json()["errors"]] == [pointer]


async def test_an_incomplete_project_is_refused_and_takes_nothing(lot: Any) -> None:
    customer = await lot.customer()
    await customer.fill({"headline": ""})
    refused = await customer.ask()
    assert (refused.status_code, refused.json()["code"]) == (422, "project_incomplete")
    scene = customer.saved["scenes"][0]["id"]
    assert refused.json()["errors"][0]["pointer"] == f"/scenes/{scene}/headline"
    assert (await customer.limits())["daily_used"] == 0


async def test_other_peoples_things_do_not_exist(lot: Any, platform: Platform) -> None:
    owner, stranger = await lot.customer(), await lot.customer()
    _, key = await platform.tenant()
    foreigner = await platform.person(tenant_key=key)
    job = await owner.ended((await owner.submit())["id"])
    shot = (
        await owner.call("POST", "/v1/snapshots", {"saved_project_id": owner.saved["id"]})
    ).json()
    missing = uuid4()
    calls = [
        ("GET", "/v1/renders/{}", job["id"]),
        ("POST", "/v1/renders/{}/cancel", job["id"]),
        ("POST", "/v1/renders/{}/watch-token", job["id"]),
        ("GET", "/v1/exports/{}", job["export_id"]),
        ("GET", "/v1/exports/{}/download", job["export_id"]),
        ("GET", "/v1/exports/{}/poster", job["export_id"]),
        ("GET", "/v1/snapshots/{}", shot["id"]),
        ("GET", "/v1/snapshots/{}/image", shot["id"]),
    ]

    def same(answer: httpx.Response, path: str) -> bytes:
        return answer.content.replace(path.encode(), b"").replace(
            answer.json()["request_id"].encode(), b""
        )

    for method, path, known in calls:
        for person in (stranger.person, foreigner):
            answers = []
            for name in (known, str(missing)):
                answer = await platform.client.request(
                    method, path.format(name), headers=person.headers
                )
                assert answer.status_code == 404, (method, path)
                answers.append(same(answer, path.format(name)))
            assert answers[0] == answers[1]
    project = {"saved_project_id": owner.saved["id"]}
    assert (await stranger.ask(**project)).status_code == 404
    assert (await stranger.call("POST", "/v1/snapshots", project)).status_code == 404
    for path in ("/v1/renders", "/v1/exports"):
        assert (await stranger.get(path))["data"] == []
        assert [row["saved_project_id"] for row in (await owner.get(path))["data"]] == [
            owner.saved["id"]
        ]


async def test_a_submit_that_cannot_be_written_gives_back(lot: Any, platform: Platform) -> None:
    customer = await lot.customer(plan="plus")
    await customer.give_charge(5000)
    name = f"refuse_{customer.person.id.hex}"
    await platform.sql(
        f"ALTER TABLE render.render_jobs ADD CONSTRAINT {name} "
        f"CHECK (user_id <> '{customer.person.id}') NOT VALID"
    )
    try:
        assert (await customer.ask("540p")).status_code == 500
    finally:
        await platform.sql(f"ALTER TABLE render.render_jobs DROP CONSTRAINT {name}")
    limits = await customer.limits()
    assert (limits["charge_minor"], limits["daily_used"]) == (5000, 0)
    rows = await platform.sql(
        "SELECT state, count_given_back FROM identity.render_reservations WHERE user_id = $1",
        customer.person.id,
    )
    assert [(row["state"], row["count_given_back"]) for row in rows] == [("Released", True)]


async def test_a_film_too_long_is_refused_and_takes_nothing(
    lot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flatrender_render.services import jobs

    customer = await lot.customer("long")  # 120 frames
    monkeypatch.setattr(jobs, "MAX_FRAMES", 119)
    refused = await customer.ask()
    assert (refused.status_code, refused.json()["code"]) == (422, "video_too_long")
    assert (await customer.limits())["daily_used"] == 0


async def test_too_many_at_once_are_refused_and_given_back(
    lot: Any, platform: Platform, frozen: Any
) -> None:
    customer = await lot.customer(plan="plus")
    await platform.sql(
        "UPDATE identity.user_plans SET plan_id = $2 WHERE user_id = $1",
        customer.person.id,
        await _plan_with_one_job(platform),
    )
    job = await customer.submit()
    refused = await customer.ask()
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_active_jobs")
    assert (await customer.limits())["daily_used"] == 1
    frozen.thaw()
    assert (await customer.ended(job["id"]))["step"] == "Done"


async def test_submits_that_meet_are_counted_one_after_the_other(
    lot: Any, platform: Platform, frozen: Any
) -> None:
    customer = await lot.customer(plan="plus")
    await platform.sql(
        "UPDATE identity.user_plans SET plan_id = $2 WHERE user_id = $1",
        customer.person.id,
        await _plan_with_one_job(platform),
    )
    lock = "SELECT pg_advisory_xact_lock(hashtextextended('submit:' || $1, 0))"
    async with platform.held(lock, str(customer.person.id)):
        calls = [asyncio.create_task(customer.ask()) for _ in range(2)]
        await platform.waiters(2, of="submit:")
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status_code for answer in answers) == [202, 429]
    (job,) = (answer.json()["id"] for answer in answers if answer.status_code == 202)
    frozen.thaw()
    assert (await customer.ended(job))["step"] == "Done"


async def _plan_with_one_job(platform: Platform) -> UUID:
    made = await platform.sql(
        "INSERT INTO identity.plans (tenant_id, code, name_fa, name_en, tier, price_minor, "
        "period_days, resolutions, max_resolution, watermark, daily_render_limit, storage_bytes, "
        "max_upload_bytes, max_active_jobs) SELECT tenant_id, 'one-' || gen_random_uuid(), "
        "name_fa, name_en, tier, price_minor, period_days, resolutions, max_resolution, "
        "watermark, daily_render_limit, storage_bytes, max_upload_bytes, 1 "
        "FROM identity.plans WHERE code = 'plus' LIMIT 1 RETURNING id"
    )
    found: UUID = made[0]["id"]
    return found


async def test_cancel_gives_back_what_was_not_drawn(
    lot: Any, platform: Platform, frozen: Any
) -> None:
    customer = await lot.customer("long", plan="plus")
    await customer.give_charge(10_000)
    job = await customer.submit("540p")
    assert job["charge_minor"] == 2000  # 4 s at 500
    piece = await customer.claimed(job["id"])
    await platform.sql("UPDATE render.frame_jobs SET done_frames = 30 WHERE id = $1", piece["id"])

    answer = await customer.call("POST", f"/v1/renders/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["step"]) == (200, "Cancelled")
    again = await customer.call("POST", f"/v1/renders/{job['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "job_finished")
    released = await customer.reservation(job["id"], "Released")
    assert released["released_minor"] == 1500  # 90 of 120 frames
    limits = await customer.limits()
    assert limits["charge_minor"] == 9500
    assert limits["daily_used"] == 1, "a cancel of one's own does not give the count back"

    # The worker noticed though its process stands still: it ended it and is free again.
    await platform.until(lambda: _idle(platform))
    attempts = await platform.sql(
        "SELECT outcome, stale_reports FROM render.frame_attempts WHERE job_id = $1 "
        "AND frame_job_id = $2",
        UUID(job["id"]),
        piece["id"],
    )
    assert [(a["outcome"], a["stale_reports"]) for a in attempts] == [("Cancelled", 1)]
    final = await customer.get(f"/v1/renders/{job['id']}")
    assert final["step"] == "Cancelled"
    assert {chunk["state"] for chunk in final["chunks"]} <= {"Cancelled", "Done"}
    assert (
        await platform.sql("SELECT 1 FROM render.exports WHERE job_id = $1", UUID(job["id"])) == []
    )


async def _idle(platform: Platform) -> bool:
    from flatrender_render.farm.node import Node

    return platform.runtime.plugins["render"].context.get(Node).busy == 0


async def test_cancels_that_meet_in_their_transactions_stop_it_once(
    lot: Any, platform: Platform, frozen: Any
) -> None:
    customer = await lot.customer()
    job = await customer.submit()
    await customer.claimed(job["id"])
    path = f"/v1/renders/{job['id']}/cancel"
    row = "SELECT FROM render.render_jobs WHERE id = $1 FOR UPDATE"
    async with platform.held(row, UUID(job["id"])):
        calls = [asyncio.create_task(customer.call("POST", path)) for _ in range(2)]
        await platform.waiters(2, of="render.render_jobs")
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    told = await platform.sql(
        "SELECT 1 FROM render.outbox WHERE name = 'render.job.cancelled.v1' "
        "AND payload->'data'->>'job_id' = $1",
        job["id"],
    )
    assert len(told) == 1


async def test_a_running_chunk_stops_when_its_job_is_cancelled(
    lot: Any, platform: Platform
) -> None:
    customer = await lot.customer("long", plan="plus")
    await customer.edit(f"/scenes/{customer.saved['scenes'][0]['id']}", {"duration": 4}, "PATCH")
    await customer.give_charge(1_000_000)
    job = await customer.submit("1080p")
    await customer.claimed(job["id"])
    answer = await customer.call("POST", f"/v1/renders/{job['id']}/cancel")
    assert answer.status_code == 200, answer.text
    await platform.until(lambda: _idle(platform))
    final = await customer.get(f"/v1/renders/{job['id']}")
    assert final["step"] == "Cancelled"
    assert final["export_id"] is None


async def test_a_finished_job_cannot_be_cancelled(lot: Any) -> None:
    customer = await lot.customer()
    job = await customer.ended((await customer.submit())["id"])
    answer = await customer.call("POST", f"/v1/renders/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_finished")
    assert (await customer.get(f"/v1/renders/{job['id']}"))["step"] == "Done"
    assert (await customer.reservation(job["id"], "Settled"))["released_at"] is None


@pytest.mark.parametrize("same_hash", [False, True], ids=["altered", "undecodable"])
async def test_a_broken_picture_fails_the_job_and_costs_nothing(
    lot: Any, platform: Platform, same_hash: bool
) -> None:
    import hashlib

    customer = await lot.customer(plan="plus")
    await customer.give_charge(5000)
    colour = f"#{uuid4().hex[:6]}"  # nobody's cache has this one
    file_id = await customer.upload(picture(color=colour))
    await customer.fill({"photo": {"file_id": file_id}})
    (file,) = await platform.sql(
        "SELECT object_key, sha256 FROM file_mgr.files WHERE id = $1", UUID(file_id)
    )
    broken = b"\x89PNG\r\n\x1a\n" + uuid4().bytes * 8
    await platform.runtime.infra.storage.put(file["object_key"], broken, content_type="image/png")
    if same_hash:
        await platform.sql(
            "UPDATE studio.saved_scene_contents SET value = "
            "replace(value::text, $1, $2)::jsonb WHERE value::text LIKE '%' || $1 || '%'",
            file["sha256"],
            hashlib.sha256(broken).hexdigest(),
        )
    accepted = await customer.submit("540p")
    job = await customer.ended(accepted["id"])
    assert job["step"] == "Failed"
    assert job["failure"]["code"] == ("input_broken" if same_hash else "asset_lost")
    assert "could not be read" in job["failure"]["message_en"]
    assert job["failure"]["retryable"] is False
    released = await customer.reservation(job["id"], "Released")
    assert (released["released_minor"], released["count_given_back"]) == (1000, True)
    limits = await customer.limits()
    assert (limits["charge_minor"], limits["daily_used"]) == (5000, 0)

    async def told() -> Any:
        inbox = (await customer.get("/v1/notifications"))["data"]
        return [n for n in inbox if n["type"] == "RenderFailed"]

    (notice,) = await platform.until(told)
    assert notice["data"]["code"] == job["failure"]["code"]


async def test_a_render_process_killed_in_the_middle_costs_one_attempt(
    lot: Any, platform: Platform, frozen: Any
) -> None:
    customer = await lot.customer()
    job = await customer.submit()
    await customer.claimed(job["id"])
    frozen.kill()
    assert (await customer.ended(job["id"]))["step"] == "Done"
    attempts = await platform.sql(
        "SELECT a.outcome, a.blamed, a.error_code FROM render.frame_attempts a "
        "JOIN render.frame_jobs f ON f.id = a.frame_job_id "
        "WHERE a.job_id = $1 AND a.outcome <> 'Done'",
        UUID(job["id"]),
    )
    assert [tuple(a) for a in attempts] == [("Failed", False, "worker_crashed")]


async def test_wakes_for_nothing_do_nothing(lot: Any, platform: Platform) -> None:
    customer = await lot.customer()
    job = await customer.ended((await customer.submit())["id"])
    queue = platform.runtime.infra.queue
    before = await platform.sql(
        "SELECT * FROM render.frame_attempts WHERE job_id = $1 ORDER BY id", UUID(job["id"])
    )
    for _ in range(5):
        await queue.enqueue_task("render", WORK.queue, WORK.name, Wake())
    other = await customer.submit()
    assert (await customer.ended(other["id"]))["step"] == "Done"
    after = await platform.sql(
        "SELECT * FROM render.frame_attempts WHERE job_id = $1 ORDER BY id", UUID(job["id"])
    )
    assert before == after


async def test_valkey_emptied_in_the_middle_loses_nothing(
    lot: Any, platform: Platform, frozen: Any
) -> None:
    customer = await lot.customer("long")
    job = await customer.submit()
    await customer.claimed(job["id"])
    redis = await platform.runtime.infra.queue.redis()
    await redis.flushdb()
    frozen.thaw()
    assert (await customer.ended(job["id"]))["step"] == "Done"
    await customer.reservation(job["id"], "Settled")
    exports = await platform.sql(
        "SELECT count(*) AS n FROM render.exports WHERE job_id = $1", UUID(job["id"])
    )
    assert exports[0]["n"] == 1
