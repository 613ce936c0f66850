"""A template with every kind of slot, imported by content; people with saved projects of it."""

import secrets
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any
from uuid import UUID

import httpx
import pytest

from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender.testing.packages import (
    animation,
    entries,
    label,
    manifest,
    package,
    picture,
    scene,
    silence,
    variant,
)
from flatrender.testing.platform import Person, Platform

Json = dict[str, Any]


def _layers() -> tuple[list[Json], list[Json]]:
    def still(value: object) -> Json:
        return {"a": 0, "k": value}

    def layer(kind: int, index: int, **more: Any) -> Json:
        place = {"o": still(100), "r": still(0), "p": still([160, 90, 0]),
                 "a": still([0, 0, 0]), "s": still([100, 100, 100])}  # fmt: skip
        return {"ty": kind, "nm": f"l{index}", "ind": index, "ip": 0, "op": 60, "st": 0, "sr": 1,
                "bm": 0, "ks": place, **more}  # fmt: skip

    def text(index: int, sid: str) -> Json:
        words = {"s": 20, "f": "Vazirmatn", "t": "متن", "j": 2, "fc": [1, 1, 1], "lh": 24}
        return layer(5, index, t={"d": {"sid": sid, "k": [{"s": words, "t": 0}]}, "p": {},
                                  "m": {"g": 1, "a": still([0, 0])}, "a": []})  # fmt: skip

    picture_layer = layer(2, 3, refId="pic")
    picture_layer["ks"]["o"] = {"a": 0, "k": 100, "sid": "level"}
    gradient = layer(4, 4, shapes=[{"ty": "gr", "nm": "g", "it": [
        {"ty": "rc", "nm": "r", "d": 1, "p": still([0, 0]), "s": still([40, 40]), "r": still(0)},
        {"ty": "gf", "nm": "f", "t": 1, "o": still(100), "r": 1, "s": still([0, 0]),
         "e": still([40, 0]),
         "g": {"p": 2, "k": {"a": 0, "k": [0, 0, 0, 0, 1, 1, 1, 1]}, "sid": "sky"}},
        {"ty": "tr", "p": still([0, 0]), "a": still([0, 0]), "s": still([100, 100]),
         "r": still(0), "o": still(100), "sk": still(0), "sa": still(0)}]}])  # fmt: skip
    assets = [{"id": "pic", "w": 128, "h": 128, "u": "i/", "p": "pic.png", "e": 0, "sid": "photo"}]
    return [text(1, "headline"), text(2, "motto"), picture_layer, gradient], assets


def slots() -> list[Json]:
    """Return one slot of every kind; the headline is required."""
    return [
        {"type": "text", "id": "headline", "name": label("headline"), "default": "عنوان",
         "required": True, "max_chars": 12, "max_lines": 1},
        {"type": "text", "id": "motto", "name": label("motto"), "default": "شعار",
         "max_chars": 30, "max_lines": 2, "multiline": True},
        {"type": "color", "id": "box", "name": label("box"), "default": "#ffcc33"},
        {"type": "image", "id": "photo", "name": label("photo"), "default": "i/pic.png",
         "min_width": 100, "min_height": 100},
        {"type": "number", "id": "level", "name": label("level"), "default": 50, "minimum": 0,
         "maximum": 100, "step": 5},
        {"type": "gradient", "id": "sky", "name": label("sky"),
         "default": [{"at": 0, "color": "#000000"}, {"at": 1, "color": "#ffffff"}]},
    ]  # fmt: skip


class Template:
    """An imported template."""

    def __init__(self, platform: Platform, data: Json, container: UUID, project: UUID) -> None:
        self.platform = platform
        self.data = data
        self.container_id = container
        self.project_id = project


MakeTemplate = Callable[..., Awaitable[Template]]


async def import_template(platform: Platform, data: Json, tenant: UUID) -> Template:
    """Import and publish a package of ``data`` through content's own importer."""
    extra, assets = _layers()
    files = {
        **entries(main=animation(extra_layers=extra, assets=assets)),
        "i/pic.png": picture(),
        "u/hit.wav": silence(),
        "u/song.wav": silence(1.0),
    }
    importer = import_module("flatrender_content.services.importer").ImportService
    context = platform.runtime.plugins["content"].context
    made = await context.get(importer).import_bytes(tenant, package(data, files), publish=True)
    rows = await platform.sql(
        "SELECT id FROM content.projects WHERE container_id = $1", made.container_id
    )
    return Template(platform, data, made.container_id, rows[0]["id"])


def flexible(**changes: Any) -> Json:
    """Return a Flexible template: intro and outro stay, a body repeats up to four times."""
    body = scene("body", duration=2, slots=slots(), repeatable=True, removable=True, max_repeats=4,
                 sounds=[{"path": "u/hit.wav", "at": 0.5}],
                 transition={"kind": "crossfade", "overlap": 0.5})  # fmt: skip
    extra = scene("extra", in_default=False, removable=True)
    return manifest(**{
        "slug": f"flex-{secrets.token_hex(4)}",
        "variants": [variant(scene("intro"), body, extra, scene("outro"))],
        "music": [{"key": "song", "title": label("song"), "path": "u/song.wav"}],
        "audio": {"music": "song", "music_volume": 0.6},
        "presets": [
            {"key": "sea", "name": label("sea"), "colors": {"primary": "#003366"}},
            {"key": "sand", "name": label("sand"), "colors": {"primary": "#c2b280"}},
        ],
        **changes,
    })  # fmt: skip


@pytest.fixture(scope="session")
async def flex(platform: Platform) -> Template:
    """The Flexible template."""
    return await import_template(platform, flexible(), DEFAULT_TENANT_ID)


@pytest.fixture(scope="session")
async def fixed(platform: Platform) -> Template:
    """A Fix template of the same scenes."""
    data = flexible(mode="Fix")
    for part in data["variants"][0]["scenes"]:
        for freedom in ("repeatable", "removable", "max_repeats", "in_default"):
            part.pop(freedom, None)
    return await import_template(platform, data, DEFAULT_TENANT_ID)


@pytest.fixture(scope="session")
def make_template(platform: Platform) -> MakeTemplate:
    """Return a function that imports another template, or a new version of one."""

    async def make(data: Json | None = None, tenant: UUID = DEFAULT_TENANT_ID) -> Template:
        return await import_template(platform, data or flexible(), tenant)

    return make


class Editor:
    """A person at work on one saved project; remembers the ETag it has seen."""

    def __init__(self, platform: Platform, person: Person, answer: httpx.Response) -> None:
        self.platform = platform
        self.person = person
        self.saved: Json = answer.json()
        self.etag = answer.headers["etag"]

    @property
    def url(self) -> str:
        """The project's address."""
        return f"/v1/saved-projects/{self.saved['id']}"

    async def call(self, method: str, path: str = "", body: Any = None, **more: str) -> Any:
        """Call below the project with the ETag last seen; a success is remembered."""
        headers = {"If-Match": self.etag, **self.person.headers, **more}
        answer = await self.platform.client.request(
            method, self.url + path, json=body, headers=headers
        )
        if answer.status_code in (200, 201) and "etag" in answer.headers:
            self.saved, self.etag = answer.json(), answer.headers["etag"]
        return answer

    async def look(self) -> Json:
        """Read the project anew."""
        answer = await self.platform.client.get(self.url, headers=self.person.headers)
        assert answer.status_code == 200, answer.text
        self.saved, self.etag = answer.json(), answer.headers["etag"]
        return self.saved

    async def fill(self, scenes: Json) -> Any:
        """Fill slots."""
        return await self.call("PUT", "/contents", {"scenes": scenes})

    def scene(self, key: str, number: int = 0) -> Json:
        """Return the n-th scene of this key."""
        found: Json = [s for s in self.saved["scenes"] if s["scene_key"] == key][number]
        return found

    def value(self, scene: Json, key: str) -> Any:
        """Return a slot's value of a scene, as last seen."""
        (now,) = [s for s in self.saved["scenes"] if s["id"] == scene["id"]]
        return next(c["value"] for c in now["contents"] if c["key"] == key)


OpenEditor = Callable[..., Awaitable[Editor]]


@pytest.fixture(scope="session")
def editor(platform: Platform) -> OpenEditor:
    """Return a function that starts a saved project of a template, as a new person."""

    async def start(template: Template, person: Person | None = None, **body: Any) -> Editor:
        somebody = person or await platform.person()
        answer = await platform.client.post(
            "/v1/saved-projects",
            json={"project_id": str(template.project_id), **body},
            headers=somebody.headers,
        )
        assert answer.status_code == 201, answer.text
        return Editor(platform, somebody, answer)

    return start


@pytest.fixture(scope="session")
def upload(platform: Platform) -> Callable[..., Awaitable[str]]:
    """Return a function that uploads a file the way a browser does; returns the file's id."""

    async def send(person: Person, data: bytes, content_type: str, purpose: str) -> str:
        asked = await platform.client.post(
            "/v1/uploads",
            json={
                "name": f"file.{content_type.rpartition('/')[2]}",
                "content_type": content_type,
                "size_bytes": len(data),
                "purpose": purpose,
            },
            headers=person.headers,
        )
        assert asked.status_code == 201, asked.text
        form = asked.json()
        async with httpx.AsyncClient() as client:
            put = await client.post(form["url"], data=form["fields"], files={"file": data})
            assert put.status_code < 300, put.text
        done = await platform.client.post(
            f"/v1/uploads/{form['upload_id']}/complete", headers=person.headers
        )
        assert done.status_code == 201, done.text
        return str(done.json()["id"])

    return send
