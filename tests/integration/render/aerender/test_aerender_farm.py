"""The whole farm with After Effects: a project saved over HTTP, two nodes, a video in the end."""

import asyncio
import io
import json
import math
import os
import struct
import wave
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import UUID

import pytest
from aerender import setup as emulator

from flatrender.runtime import Runtime
from flatrender.settings import load_settings
from flatrender.tasks.service import WorkerService
from flatrender.testing.packages import animation, entries, label, manifest, package, scene, variant
from flatrender.testing.platform import FAST, run_platform
from flatrender.testing.plugin import TestDatabase
from flatrender_render.engines import engines
from flatrender_render.farm.node import Node
from flatrender_render.media.probe import probe

Json = dict[str, Any]
FRAMES = 60

#: What applying a scan does to the rows of a template.
_AFTER_EFFECTS = """
WITH aspect AS (
    UPDATE content.projects SET source_object_key = $2, source_sha256 = $3 WHERE id = $1
    RETURNING container_id)
UPDATE content.project_containers c
SET engine = 'aerender', package_object_key = $2, package_sha256 = $3
FROM aspect WHERE c.id = aspect.container_id
"""


def film(words: Callable[..., Json], **files: bytes) -> bytes:
    """Return a package whose only text is the headline; the bundle below takes its place.

    ``files`` are sounds that its scene plays, each after a tenth of a second.
    """
    text = words(1, "headline", "عنوان")
    text["t"]["d"]["sid"] = "headline"
    slots = [{"type": "text", "id": "headline", "name": label("headline"), "default": "عنوان",
              "required": True, "max_chars": 12, "max_lines": 1}]  # fmt: skip
    sounds = [{"path": path, "at": 0.1} for path in files]
    one = scene("one", slots=slots, sounds=sounds)
    data = manifest(slug=f"after-effects-{token_hex(4)}", variants=[variant(one)])
    data.pop("audio", None)
    return package(data, {**entries(main=animation(extra_layers=[text])), **files})


def tone(seconds: float = 0.5, rate: int = 8000) -> bytes:
    """Return a mono WAV that is not silent."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        samples = (round(9000 * math.sin(n * math.tau * 440 / rate))
                   for n in range(int(seconds * rate)))  # fmt: skip
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return buffer.getvalue()


def bundle(words: Callable[..., Json], **files: bytes) -> bytes:
    """Return the bundle: the same film as a project, with files beside it."""
    base = animation(frames=FRAMES)
    colors = [words(1, "primary", "0.1,0.1,0.2,1", hidden=True)]
    project = {"version": 24, "items": [
        emulator.comp(1, "frfinal", base, [words(1, "frl_headline", "own"), *base["layers"]]),
        emulator.comp(2, "frshare", base, colors),
    ]}  # fmt: skip
    slots = [{"id": "headline", "type": "text", "layer": "frl_headline"}]
    told = {"project": "project.aep", "comp": "frfinal", "mode": "Fix",
            "scenes": [{"key": "one", "duration": FRAMES / 30, "slots": slots}],
            "reference": {"frames": FRAMES, "visible": [[0, 59]], "moving": [[0, 59]]}}  # fmt: skip
    return emulator.bundle(project, files, told)


class Studio:
    """A platform with two nodes that have an After Effects."""

    def __init__(self, lot: Any, ae: emulator.Installation) -> None:
        self.lot = lot
        self.ae = ae


@pytest.fixture(scope="module")
async def studio(
    server_environment: dict[str, str],
    clone_database: Callable[[], TestDatabase],
    tmp_path_factory: pytest.TempPathFactory,
    make_lot: Callable[[Any], Any],
    make_words: Callable[..., Json],
) -> AsyncIterator[Studio]:
    """Two workers, one emulated After Effects, a template of engine ``aerender``."""
    folder = tmp_path_factory.mktemp("studio")
    ae = emulator.Installation(folder)
    settings = {"FLATRENDER_AERENDER": str(ae.aerender),
                "FLATRENDER_AERENDER_SCRATCH": str(folder / "scratch")}  # fmt: skip
    environment = {
        **server_environment,
        "FLATRENDER_DATABASE_NAME": clone_database().name,
        "FLATRENDER_VALKEY_PREFIX": server_environment["FLATRENDER_VALKEY_PREFIX"] + "studio",
        "FLATRENDER_DATA_DIR": str(folder / "data"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setitem(os.environ, name, value)  # render processes read it there
        engines.cache_clear()
        async with (
            run_platform(environment) as platform,
            Runtime(load_settings({**FAST, **environment})) as other,
        ):
            second = WorkerService(other)
            running = asyncio.create_task(second.run(handle_signals=False))
            for runtime in (platform.runtime, other):
                await runtime.plugins["render"].context.get(Node).identity()
            lot = make_lot(platform)
            hit = {"u/hit.wav": tone()}
            films = {"ae": ({}, {}), "loud": (hit, hit), "lost": (hit, {})}
            for name, (told, there) in films.items():
                await lot.bring(name, film(make_words, **told))
                data = bundle(make_words, **there)
                key = f"packages/{name}.zip"
                await platform.runtime.infra.storage.put(key, data)
                digest = sha256(data).hexdigest()
                await platform.sql(_AFTER_EFFECTS, lot.projects[name], key, digest)
            try:
                yield Studio(lot, ae)
            finally:
                second.stop()
                await asyncio.wait_for(running, timeout=60)
    engines.cache_clear()


async def attempts(studio: Studio, job_id: str) -> list[Any]:
    """Return the attempts at the frames of a job, in order."""
    return list(
        await studio.lot.platform.sql(
            "SELECT a.outcome, a.error_class, a.error_code, a.node_id "
            "FROM render.frame_attempts a JOIN render.frame_jobs f ON f.id = a.frame_job_id "
            "WHERE f.job_id = $1 AND f.kind = 'video' ORDER BY a.epoch",
            UUID(job_id),
        )
    )


async def video(studio: Studio, job_id: str, folder: Path) -> Path:
    """Fetch the finished video."""
    rows = await studio.lot.platform.sql(
        "SELECT object_key FROM render.exports WHERE job_id = $1", UUID(job_id)
    )
    target = folder / "video.mp4"
    await studio.lot.platform.runtime.infra.storage.download(rows[0]["object_key"], target)
    return target


async def test_from_a_saved_project_to_a_video(studio: Studio, tmp_path: Path) -> None:
    studio.ae.behave()
    customer = await studio.lot.customer("ae")
    job = await customer.ended((await customer.submit())["id"], within=120)
    assert job["step"] == "Done", job
    info = probe(await video(studio, job["id"], tmp_path))
    assert (info.width, info.height) == (640, 360)
    assert info.frames == FRAMES
    assert studio.ae.runs("AfterFX") >= 1


async def test_one_node_fails_and_the_other_renders(studio: Studio, tmp_path: Path) -> None:
    studio.ae.behave(aerender=[{"crash": 11, "at": 5}])
    customer = await studio.lot.customer("ae")
    job = await customer.ended((await customer.submit())["id"], within=120)
    assert job["step"] == "Done", job
    first, *_, last = await attempts(studio, job["id"])
    assert (first["outcome"], first["error_class"], first["error_code"]) == (
        "Failed", "node", "ae_runtime"
    )  # fmt: skip
    assert last["outcome"] == "Done"
    assert last["node_id"] != first["node_id"]
    await video(studio, job["id"], tmp_path)


async def test_edits_that_do_not_bind_fail_the_job_and_cost_nothing(studio: Studio) -> None:
    studio.ae.behave(AfterFX={"deaf": ["frl_headline"]})
    customer = await studio.lot.customer("ae")
    before = await customer.limits()
    job = await customer.ended((await customer.submit())["id"], within=120)
    assert job["step"] == "Failed", json.dumps(job)
    (only,) = await attempts(studio, job["id"])
    assert (only["error_class"], only["error_code"]) == ("template", "binding_failed")
    await customer.reservation(job["id"], "Released")
    assert await customer.limits() == before


async def test_the_exit_status_reaches_the_failure_rules(studio: Studio) -> None:
    studio.ae.behave(aerender=[{"exit": 5, "early": True}])
    customer = await studio.lot.customer("ae")
    job = await customer.ended((await customer.submit())["id"], within=120)
    assert job["step"] == "Done", job
    first = (await attempts(studio, job["id"]))[0]
    # Only the rule for status 5 blames the template.
    assert (first["error_class"], first["error_code"]) == ("template", "ae_script")


async def test_after_effects_is_closed_where_it_hangs_and_the_piece_is_drawn_again(
    studio: Studio, tmp_path: Path
) -> None:
    studio.ae.behave(aerender=[{"hang": "frames", "at": 3}])
    platform = studio.lot.platform
    customer = await studio.lot.customer("ae")
    job = await customer.submit()
    piece = await customer.claimed(job["id"])

    async def hanging() -> bool:
        return bool(studio.ae.runs("aerender") == 1)

    await platform.until(hanging, within=180)
    admin = await platform.admin()
    url = f"/v1/admin/nodes/{piece['node_id']}"
    asked = await platform.client.post(
        f"{url}/close-ae",
        json={"reason": "it hangs"},
        headers={**admin.headers, "Idempotency-Key": "close-ae"},
    )
    assert asked.status_code == 200, asked.text

    async def answered() -> Any:
        body = (await platform.client.get(url, headers=admin.headers)).json()
        (act,) = [one for one in body["acts"] if one["act"] == "close_ae"]
        return act if act["state"] in {"Done", "Failed"} else None

    act = await platform.until(answered, within=180)
    assert (act["state"], act["result"]) == ("Done", {"ended": 1})
    ended = await customer.ended(job["id"], within=120)
    assert ended["step"] == "Done", ended
    first, *_ = await attempts(studio, job["id"])
    assert first["outcome"] == "Lost", "given back, and nobody's fault"
    await video(studio, job["id"], tmp_path)


async def test_the_templates_own_sound_reaches_the_final_mix(
    studio: Studio, tmp_path: Path
) -> None:
    studio.ae.behave()
    customer = await studio.lot.customer("loud")
    job = await customer.ended((await customer.submit())["id"], within=120)
    assert job["step"] == "Done", job
    assert probe(await video(studio, job["id"], tmp_path)).audio_codec == "aac"
    rows = await studio.lot.platform.sql(
        "SELECT proof FROM render.frame_jobs WHERE job_id = $1 AND kind = 'audio'", UUID(job["id"])
    )
    assert json.loads(rows[0]["proof"])["lufs"] > -40  # silence has none


async def test_a_sound_that_the_bundle_lacks_is_the_templates_fault(studio: Studio) -> None:
    studio.ae.behave()
    customer = await studio.lot.customer("lost")
    job = await customer.ended((await customer.submit())["id"], within=120)
    assert job["step"] == "Failed", job
    rows = await studio.lot.platform.sql(
        "SELECT a.error_class, a.error_code, a.error_message FROM render.frame_attempts a "
        "JOIN render.frame_jobs f ON f.id = a.frame_job_id "
        "WHERE f.job_id = $1 AND f.kind = 'audio'",
        UUID(job["id"]),
    )
    ((class_, code, message),) = [tuple(row) for row in rows]
    assert (class_, code) == ("template", "package_broken")
    assert "u/hit.wav" in message
