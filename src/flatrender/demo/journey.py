"""The journey, top to bottom: from an e-mail address to two finished videos."""

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import Struct
from rich.console import Console

from flatrender.demo import assets
from flatrender.demo.api import Api, ApiError
from flatrender.demo.errors import ChoiceError, JourneyError
from flatrender.demo.progress import render_progress
from flatrender.demo.sheet import examine
from flatrender.demo.watch import follow

PERSIAN = (
    "ویدیوی حرفه‌ای، در چند دقیقه",
    "قالب آماده را انتخاب کنید",
    "متن و رنگ برند خود را بگذارید",
    "خروجی ۴K با یک کلیک",
    "همین امروز شروع کنید",
)
ENGLISH = "Made with FlatRender"


class Choices(Struct, frozen=True, kw_only=True):
    """What the person asked for on the command line."""

    template: str
    aspect: str | None
    resolution: str
    text: str | None
    output: Path


def run_journey(
    base_url: str, choices: Choices, *, grant: Callable[[str], None] | None
) -> list[Path]:
    """Play the journey and return the files it made.

    ``grant`` gives the customer a paid plan (a CLI act of the operator); without it the journey
    ends after the free render. Raises ``ChoiceError`` before anything is made when the server
    lacks what was chosen, ``ApiError`` with the API's own words when a step is refused and
    ``JourneyError`` when it fails later.
    """
    console = Console(highlight=False)
    choices.output.mkdir(parents=True, exist_ok=True)
    api = Api(base_url)
    try:
        return _Journey(api, choices, console).play(grant)
    finally:
        api.close()


class _Journey:
    def __init__(self, api: Api, choices: Choices, console: Console) -> None:
        self._api = api
        self._choices = choices
        self._console = console
        self._email = f"customer-{secrets.token_hex(4)}@example.com"
        self._password = secrets.token_urlsafe(16)
        self._begun = time.monotonic()

    def play(self, grant: Callable[[str], None] | None) -> list[Path]:
        detail, project = self._choose()  # first of all: nothing is made for a wrong choice
        self._sign_up()
        page = self._api.get("/v1/templates", page_size=50)
        slugs = ", ".join(item["slug"] for item in page["data"])
        self._say(f"{page['meta']['total']} templates: {slugs}")
        self._presets = detail.get("presets", [])
        self._say(f"picked {detail['name']['en']} ({detail['mode']}), {project['aspect']}")
        saved, etag = self._save(project)
        etag = self._fill(saved, etag, project)
        files = [self._snapshot(saved)]
        free = self._render(saved, self._free_resolution(), "free plan, with watermark")
        self._read_inbox(free["id"])
        files += self._fetch(free, "free")
        if grant is not None:
            grant(self._email)
            self._say("a paid plan was granted by the operator")
            paid = self._render(saved, self._choices.resolution, "paid plan, no watermark")
            files += self._fetch(paid, "paid")
        self._console.print(f"\nDone in {time.monotonic() - self._begun:.1f} s. The files:")
        for path in files:
            self._console.print(f"  {path.resolve()}", soft_wrap=True)
        return files

    def _say(self, line: str) -> None:
        self._console.print(
            f"[dim]{time.monotonic() - self._begun:6.1f} s[/]  {line}", soft_wrap=True
        )

    def _sign_up(self) -> None:
        self._api.post(
            "/v1/auth/register",
            {
                "email": self._email,
                "password": self._password,
                "display_name": "سارا",
                "locale": "fa",
            },
            idempotent=True,
        )
        answer = self._api.post(
            "/v1/auth/login", {"identifier": self._email, "password": self._password}
        )
        self._api.authorize(answer["access_token"])
        limits = self._api.get("/v1/me/limits")
        self._say(
            f"registered and logged in as {self._email}; plan {limits['plan_code']}, "
            f"up to {limits['max_resolution']}"
        )

    def _choose(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the chosen template and its project of the chosen aspect.

        Raises ``ChoiceError`` with what there is instead when the server lacks what was asked for.
        """
        choices = self._choices
        try:
            detail: dict[str, Any] = self._api.get(f"/v1/templates/{quote(choices.template, '')}")
        except ApiError as error:
            if error.status != 404:
                raise
            some = self._api.get("/v1/templates", page_size=50)["data"]
            have = _or([item["slug"] for item in some])
            raise ChoiceError(f"--template: no {choices.template!r}; there are {have}") from error
        projects = [p for p in detail["projects"] if choices.aspect in (None, p["aspect"])]
        if not projects:
            have = _or([p["aspect"] for p in detail["projects"]])
            raise ChoiceError(
                f"--aspect: {detail['slug']} has no {choices.aspect!r}; it has {have}"
            )
        plans = self._api.get("/v1/plans", page_size=50)["data"]
        sold = {resolution: None for plan in plans for resolution in plan["resolutions"]}
        if choices.resolution not in sold:
            raise ChoiceError(
                f"--resolution: no plan has {choices.resolution!r}; there are {_or([*sold])}"
            )
        return detail, projects[0]

    def _save(self, project: dict[str, Any]) -> tuple[dict[str, Any], str]:
        body = {"project_id": project["id"], "name": "ویدیوی معرفی"}
        saved, headers = self._api.call("POST", "/v1/saved-projects", body=body)
        self._say(f"saved project with its own copy of {len(saved['scenes'])} scenes")
        return saved, headers["etag"]

    def _fill(self, saved: dict[str, Any], etag: str, project: dict[str, Any]) -> str:
        base = f"/v1/saved-projects/{saved['id']}"
        logo = self._api.upload("نشان.png", "image/png", assets.logo(), "image")
        voice = self._api.upload("voice.wav", "audio/wav", assets.voice(), "voiceover")
        self._say(f"uploaded a logo ({logo['width']}x{logo['height']}) and a voice-over, presigned")
        contents = self._contents(saved, logo["id"])
        saved, etag = self._api.change("PUT", f"{base}/contents", {"scenes": contents}, etag)
        if self._presets:
            preset = self._presets[min(1, len(self._presets) - 1)]
            _, etag = self._api.change("PUT", f"{base}/colors", {"preset": preset["key"]}, etag)
        color = saved["colors"][0]["element_key"] if saved["colors"] else None
        if color and not self._presets:
            body = {"colors": {color: "#f4722d"}}
            _, etag = self._api.change("PUT", f"{base}/colors", body, etag)
        music = self._api.get("/v1/music", page_size=1)["data"]
        audio: dict[str, Any] = {
            "voiceover": {"file_id": voice["id"], "start": 1.0},
            "music_volume": 0.7,
            "sfx_volume": 0.9,
            "voiceover_volume": 1.0,
        }
        if music:
            audio["music"] = {"music_id": music[0]["id"], "fade_in": 0.4, "fade_out": 1.2}
        _, etag = self._api.change("PUT", f"{base}/audio", audio, etag)
        self._say("filled texts (fa, en), colours, picture; chose music, voice-over and effects")
        return etag

    def _contents(self, saved: dict[str, Any], logo_id: str) -> dict[str, dict[str, Any]]:
        """The person's own lines first, in Persian and in English; the logo where a logo belongs;
        the template's own words where it asks for words we have none for."""
        filled: dict[str, dict[str, Any]] = {}
        headline = _headline(saved)
        lines = [ENGLISH, *PERSIAN[1:]]
        for scene in saved["scenes"]:
            values: dict[str, Any] = {}
            for slot in scene["contents"]:
                if headline is not None and slot is headline:
                    values[slot["key"]] = self._choices.text or PERSIAN[0]
                    continue
                limit = int((slot.get("limits") or {}).get("max_chars", 120))
                if slot["type"] == "text" and lines and _is_prose(slot, limit, lines[0]):
                    values[slot["key"]] = lines.pop(0)
                elif slot["type"] == "image" and "logo" in slot["key"]:
                    values[slot["key"]] = {"file_id": logo_id}
                elif slot["required"]:
                    values[slot["key"]] = slot["default"]
            if values:
                filled[scene["id"]] = values
        return filled

    def _snapshot(self, saved: dict[str, Any]) -> Path:
        scene = saved["scenes"][min(1, len(saved["scenes"]) - 1)]
        begun = time.monotonic()
        shot = self._api.post(
            "/v1/snapshots", {"saved_project_id": saved["id"], "saved_scene_id": scene["id"]}
        )
        while shot.get("url") is None:
            time.sleep(0.1)
            shot = self._api.get(f"/v1/snapshots/{shot['id']}")
        path = self._choices.output / "snapshot.png"
        path.write_bytes(self._api.download(f"/v1/snapshots/{shot['id']}/image"))
        self._say(f"snapshot of scene {scene['name']['en']} in {time.monotonic() - begun:.2f} s")
        return path

    def _free_resolution(self) -> str:
        resolution: str = self._api.get("/v1/me/limits")["max_resolution"]
        return resolution

    def _render(self, saved: dict[str, Any], resolution: str, why: str) -> dict[str, Any]:
        begun = time.monotonic()
        job = self._api.post(
            "/v1/renders",
            {"saved_project_id": saved["id"], "resolution": resolution},
            idempotent=True,
        )
        self._say(f"render {resolution} submitted ({why}): {job['total_frames']} frames")
        with render_progress(self._console, job["total_frames"]) as progress:
            for message in follow(self._api, job["id"]):
                if message["type"] == "failed":
                    why = f"{message['code']}: {message['message']}"
                    raise JourneyError(f"the render failed: {why}")
                if message["type"] == "done":
                    progress.show("Done", job["total_frames"])
                    continue
                step = str(message.get("step") or message["type"])
                progress.show(step, int(message.get("current_frame") or 0))
        finished: dict[str, Any] = self._api.get(f"/v1/renders/{job['id']}")
        if finished["step"] != "Done":
            raise JourneyError(f"the render ended as {finished['step']}")
        wall = time.monotonic() - begun
        self._say(f"rendered in {wall:.1f} s: {_figures(finished, wall)}")
        return finished

    def _read_inbox(self, job_id: str) -> None:
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            for item in self._api.get("/v1/notifications")["data"]:
                if item["type"] == "RenderCompleted":
                    self._say(f"notification: {item['title']}")
                    return
            time.sleep(0.2)
        raise JourneyError(f"no notification about {job_id} arrived within 15 s")

    def _fetch(self, job: dict[str, Any], name: str) -> list[Path]:
        video = self._choices.output / f"{name}-{job['resolution']}.mp4"
        video.write_bytes(self._api.download(f"/v1/exports/{job['export_id']}/download"))
        sheet = video.with_suffix(".png")
        facts = examine(video, sheet)
        self._say(
            f"downloaded {video.name}: {facts.width}x{facts.height}, {facts.frames} frames, "
            f"{facts.seconds:.2f} s, {facts.video_codec} + {facts.audio_codec}, "
            f"{facts.size_bytes / 1e6:.1f} MB"
        )
        return [video, sheet]


def _or(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _headline(saved: dict[str, Any]) -> dict[str, Any] | None:
    """Return the slot that a person's own words belong into: what the first scene asks for."""
    for scene in saved["scenes"]:
        texts = [slot for slot in scene["contents"] if slot["type"] == "text"]
        if texts:
            chosen: dict[str, Any] = next((s for s in texts if s["required"]), texts[0])
            return chosen
    return None


def _is_prose(slot: dict[str, Any], limit: int, line: str) -> bool:
    """True for a text slot that takes a sentence: not a price, a name or an address."""
    return limit >= max(24, len(line)) and not any(c.isdigit() for c in str(slot["default"]))


def _figures(job: dict[str, Any], wall: float) -> str:
    timings = job.get("timings") or {}
    parts = {k: float(timings.get(k, 0.0)) for k in ("render", "convert", "encode", "upload")}
    total = sum(parts.values())
    shares = ", ".join(f"{k} {v / total:.0%}" for k, v in parts.items()) if total else "no timings"
    return f"{job['total_frames'] / wall:.0f} frames/s; {shares}"
