"""A sound layer of a project is heard in a customer's video: scanned, applied, mixed, decoded."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zipfile import ZipFile

import av
import numpy as np
import pytest
from aerender import project as projects
from aerender import setup as emulator  # the folder above has made it known

from flatrender.testing.media import sine, write_sound

Json = dict[str, Any]
BEGIN = 0.2  # of the 0.4 s of the film


def sounding(bundle: bytes, folder: Path, **more: Any) -> bytes:
    """Return a bundle of the film with a tone in it: from its second 0.3 on, at 0.2 s."""
    path = folder / "project.aep"
    with ZipFile(BytesIO(bundle)) as archive:
        path.write_bytes(archive.read("project.aep"))
        photo = archive.read("footage/photo.png")
    film = projects.read(path)
    layer = {"ty": 6, "nm": "swoosh", "ind": 40, "refId": "item:7", "ip": 6, "op": 600, "st": -3,
             "sr": 1, "bm": 0, "ks": {}, "au": {"a": 0, "k": -6}, **more}  # fmt: skip
    film["items"][0]["layers"].append(layer)
    name = "(Footage)/Audio file 1.wav"
    film["items"].append(emulator.footage(7, name, 0, 0) | {"seconds": 2.0})
    tone = np.concatenate([sine(0.3, amplitude=0.0), sine(1.7)])  # silent where it is cut off
    data = write_sound(folder / "tone.wav", tone).read_bytes()
    made: bytes = emulator.bundle(film, {"footage/photo.png": photo, name: data})
    return made


async def rendered(shop: Any, base: str) -> bytes:
    """Return the bytes of a customer's video of a template."""
    assert (await shop.call("POST", f"{base}/publish")).status_code == 204
    rows = await shop.platform.sql(
        "SELECT id FROM content.projects WHERE container_id = $1",
        UUID(base.rpartition("/")[2]),
    )
    person = await shop.platform.person()
    client = shop.platform.client
    saved = await client.post(
        "/v1/saved-projects", json={"project_id": str(rows[0]["id"])}, headers=person.headers
    )
    assert saved.status_code == 201, saved.text
    job = await client.post(
        "/v1/renders",
        json={"saved_project_id": saved.json()["id"], "resolution": "360p"},
        headers={**person.headers, "Idempotency-Key": uuid4().hex},
    )
    assert job.status_code == 202, job.text

    async def ended() -> Json | None:
        url = f"/v1/renders/{job.json()['id']}"
        found: Json = (await client.get(url, headers=person.headers)).json()
        return found if found["step"] in {"Done", "Failed", "Cancelled"} else None

    done = await shop.platform.until(ended, within=120)
    assert done["step"] == "Done", done
    rows = await shop.platform.sql(
        "SELECT object_key FROM render.exports WHERE id = $1", UUID(done["export_id"])
    )
    found: bytes = await shop.platform.runtime.infra.storage.get(rows[0]["object_key"])
    return found


def loudness(path: Path) -> tuple[float, float]:
    """Return how loud a video is before and after the sound begins (RMS)."""
    with av.open(str(path)) as media:
        rate = media.streams.audio[0].rate
        parts = [frame.to_ndarray().mean(axis=0) for frame in media.decode(audio=0)]
    wave = np.concatenate(parts)
    cut, edge = round(BEGIN * rate), round(0.03 * rate)  # an AAC frame either side
    end = round(0.4 * rate)

    def rms(part: Any) -> float:
        return float(np.sqrt(np.mean(np.square(part))))

    return rms(wave[: cut - edge]), rms(wave[cut + edge : end - edge])


async def test_the_sound_of_a_scene_is_heard_in_the_video(
    shop: Any, film_bundle: Any, tmp_path: Path
) -> None:
    shop.ae.behave()
    base = await shop.draft()
    async with shop.at_work():
        scan = await shop.ask(base, sounding(film_bundle(uuid4().hex), tmp_path))
        assert (await shop.ended(scan))["state"] == "Done"
        seen, _ = await shop.preview(scan)
        assert seen["problems"] == []
        await shop.apply(scan)
        video = await rendered(shop, base)
    rows = await shop.platform.sql(
        "SELECT sounds FROM content.scenes WHERE container_id = $1", UUID(base.rpartition("/")[2])
    )
    (sound,) = json.loads(rows[0]["sounds"])
    assert sound == {
        "path": "(Footage)/Audio file 1.wav",
        "at": BEGIN,
        "gain_db": -6.0,
        "trim_start": pytest.approx(0.3),
        "duration": pytest.approx(0.2),
    }
    path = tmp_path / "video.mp4"
    path.write_bytes(video)
    before, after = loudness(path)
    assert after > 0.02
    assert before < after / 30


async def test_a_layer_whose_sound_is_off_is_not_heard(
    shop: Any, film_bundle: Any, tmp_path: Path
) -> None:
    shop.ae.behave()
    base = await shop.draft()
    async with shop.at_work():
        scan = await shop.ask(base, sounding(film_bundle(uuid4().hex), tmp_path, mute=True))
        assert (await shop.ended(scan))["state"] == "Done"
        await shop.apply(scan)
        video = await rendered(shop, base)
    path = tmp_path / "video.mp4"
    path.write_bytes(video)
    with av.open(str(path)) as media:
        assert not media.streams.audio or max(loudness(path)) < 0.001
