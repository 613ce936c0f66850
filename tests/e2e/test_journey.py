"""The whole journey, as `make demo` plays it: separate API and worker processes on embedded
servers, a customer who only speaks HTTP, and two videos that are decoded and looked at."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from flatrender.demo.api import Api, ApiError
from flatrender.demo.errors import ChoiceError
from flatrender.demo.journey import Choices, run_journey
from flatrender.local import LocalDeployment
from flatrender.settings import load_settings, read_environment_file


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    folder = tmp_path_factory.mktemp("deployment")
    with LocalDeployment(folder, render_slots=2) as running:
        yield running


@pytest.fixture(scope="module")
def files(deployment: LocalDeployment, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    choices = Choices(
        template="persian-promo",
        aspect="16:9",
        resolution="540p",
        text="آزمون سفر کامل",
        output=tmp_path_factory.mktemp("out"),
    )

    def grant(email: str) -> None:
        deployment.run("user", "grant-plan", email, "pro")

    return run_journey(deployment.base_url, choices, grant=grant)


def _decode(path: Path) -> tuple[list[np.ndarray], np.ndarray, av.container.InputContainer]:
    container = av.open(str(path))
    pictures = [
        frame.to_ndarray(format="rgb24")
        for index, frame in enumerate(container.decode(video=0))
        if index % 30 == 0
    ]
    container.seek(0)
    sound = np.concatenate([frame.to_ndarray().mean(axis=0) for frame in container.decode(audio=0)])
    return pictures, sound, container


def test_the_free_video_is_what_was_asked_for(files: list[Path]) -> None:
    free = next(f for f in files if f.name == "free-360p.mp4")
    with av.open(str(free)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height) == (640, 360)
        assert video.codec_context.name == "h264"
        assert audio.codec_context.name == "aac"
        assert video.codec_context.colorspace == 1  # BT.709 (H.273 table 4)
        frames = sum(1 for _ in container.decode(video))
        assert frames == video.frames
        assert video.average_rate == 30
    data = free.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "faststart: the index comes first"


def test_the_paid_video_is_the_same_film_without_watermark(files: list[Path]) -> None:
    free, _, free_box = _decode(next(f for f in files if f.name == "free-360p.mp4"))
    paid, _, paid_box = _decode(next(f for f in files if f.name == "paid-540p.mp4"))
    assert len(free) == len(paid)
    assert paid_box.streams.video[0].frames == free_box.streams.video[0].frames
    differing = []
    for small, large in zip(free, paid, strict=True):
        shrunk = np.asarray(
            Image.fromarray(large).resize(
                (small.shape[1], small.shape[0]), Image.Resampling.LANCZOS
            )
        )
        differing.append(np.abs(shrunk.astype(int) - small.astype(int)).mean(axis=2))
    # Where the mark lies the two differ in every picture; elsewhere they agree.
    always = np.min(np.stack(differing), axis=0)
    assert (always > 8).any(), "the free video bears a mark"
    assert np.median(np.stack(differing)) < 6, "apart from it the films are the same"
    free_box.close()
    paid_box.close()


def test_the_film_moves_and_sounds(files: list[Path]) -> None:
    pictures, sound, container = _decode(next(f for f in files if f.name == "paid-540p.mp4"))
    assert all(picture.std() > 5 for picture in pictures[1:-1]), "no picture is empty"
    changes = [np.abs(a.astype(int) - b.astype(int)).mean() for a, b in pairwise(pictures)]
    assert max(changes) > 3
    rate = container.streams.audio[0].codec_context.sample_rate
    windows = sound[: len(sound) // rate * rate].reshape(-1, rate)
    levels = np.sqrt((windows**2).mean(axis=1))
    assert (levels[1:-2] > 0.005).all(), "music plays all the way"
    assert np.abs(sound).max() <= 1.0
    seconds = container.streams.video[0].frames / 30
    assert abs(len(sound) / rate - seconds) < 0.1
    container.close()


def test_snapshot_and_sheets_are_pictures(files: list[Path]) -> None:
    pngs = [f for f in files if f.suffix == ".png"]
    assert len(pngs) == 3
    for path in pngs:
        with Image.open(path) as image:
            assert np.asarray(image.convert("RGB")).std() > 10


def test_a_free_customer_gets_no_more_than_360p(deployment: LocalDeployment) -> None:
    api = Api(deployment.base_url)
    body = {"email": "free@example.com", "password": "a-long-enough-phrase"}
    api.post("/v1/auth/register", body)
    answer = api.post("/v1/auth/login", {"identifier": body["email"], "password": body["password"]})
    api.authorize(answer["access_token"])
    project = api.get("/v1/templates/logo-reveal")["projects"][0]
    saved = api.post("/v1/saved-projects", {"project_id": project["id"]})
    with pytest.raises(ApiError) as refused:
        api.post("/v1/renders", {"saved_project_id": saved["id"], "resolution": "1080p"})
    assert refused.value.status == 403
    assert refused.value.problem["code"] == "quality_locked"
    limits = api.get("/v1/me/limits")
    assert limits["daily_used"] == 0
    api.close()


def test_posters_are_public(deployment: LocalDeployment) -> None:
    page = httpx.get(f"{deployment.base_url}/v1/templates").json()
    assert page["meta"]["total"] >= 4
    assert httpx.get(f"{deployment.base_url}/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("template", "aspect", "resolution", "said"),
    [
        ("nope", None, "1080p", "--template: no 'nope'; there are .*logo-reveal"),
        ("logo-reveal", "4:3", "1080p", "--aspect: logo-reveal has no '4:3'; it has 16:9"),
        ("logo-reveal", None, "8K", "--resolution: no plan has '8K'; there are 360p"),
    ],
)
def test_a_wrong_choice_makes_nothing(
    deployment: LocalDeployment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    template: str,
    aspect: str | None,
    resolution: str,
    said: str,
) -> None:
    posted: list[str] = []
    monkeypatch.setattr(Api, "post", lambda _self, path, *_, **__: posted.append(path))
    choices = Choices(
        template=template, aspect=aspect, resolution=resolution, text=None, output=tmp_path
    )
    with pytest.raises(ChoiceError, match=said):
        run_journey(deployment.base_url, choices, grant=None)
    assert posted == []


def test_its_settings_lie_in_a_private_file_while_it_runs(deployment: LocalDeployment) -> None:
    file = deployment.environment_file
    assert file.stat().st_mode & 0o777 == 0o600
    settings = load_settings(read_environment_file(file))
    assert deployment.endpoints
    assert deployment.endpoints.postgres
    assert settings.database.port == deployment.endpoints.postgres.port
    assert settings.storage.secret_key
    assert deployment.base_url == settings.http.public_url
