"""Customers with tiny projects, and render processes that stand still on command.

A render process is frozen (SIGSTOP) to hold a job in the middle of its work for as long as a test
looks at it: no timing, no sleeping.
"""

import contextlib
import os
import secrets
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from node_traffic import NodeTraffic  # the path is above

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
from flatrender.testing.platform import Person, Platform, run_platform
from flatrender.testing.plugin import TestDatabase
from flatrender_render.engines.pool import RenderPool
from flatrender_render.farm.remote import FarmClient
from flatrender_render.farm.runner import Runner

Json = dict[str, Any]
ENDED = {"Done", "Failed", "Cancelled"}


@pytest.fixture(scope="session", autouse=True)
def all_node_traffic() -> Iterator[NodeTraffic]:
    """Hear what every node of this folder says and is told."""
    traffic = NodeTraffic()
    send = FarmClient._send

    async def heard(client: FarmClient, path: str, body: Any, within: float) -> httpx.Response:
        answer = await send(client, path, body, within)
        traffic.hear(path, body, answer)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FarmClient, "_send", heard)
        yield traffic


@pytest.fixture(autouse=True)
def node_traffic(all_node_traffic: NodeTraffic) -> Iterator[Counter[str]]:
    """What nodes said in a test, by call; all of it must be as the schema has it."""
    all_node_traffic.said.clear()
    all_node_traffic.wrong.clear()
    yield all_node_traffic.said
    assert all_node_traffic.wrong == []


def _still(value: object) -> Json:
    return {"a": 0, "k": value}


def _layer(kind: int, index: int, **more: Any) -> Json:
    place = {"o": _still(100), "r": _still(0), "p": _still([60, 40, 0]),
             "a": _still([64, 64, 0]), "s": _still([40, 40, 100])}  # fmt: skip
    return {"ty": kind, "nm": f"l{index}", "ind": index, "ip": 0, "op": 60, "st": 0, "sr": 1,
            "bm": 0, "ks": place, **more}  # fmt: skip


def _words(index: int) -> Json:
    document = {"s": 20, "f": "Vazirmatn", "t": "متن", "j": 2, "fc": [1, 1, 1], "lh": 24}
    return _layer(5, index, t={"d": {"sid": "headline", "k": [{"s": document, "t": 0}]}, "p": {},
                               "m": {"g": 1, "a": _still([0, 0])}, "a": []})  # fmt: skip


def _slots() -> list[Json]:
    return [
        {"type": "text", "id": "headline", "name": label("headline"), "default": "عنوان",
         "required": True, "max_chars": 12, "max_lines": 1},
        {"type": "color", "id": "box", "name": label("box"), "default": "#ffcc33"},
        {"type": "image", "id": "photo", "name": label("photo"), "default": "i/pic.png",
         "min_width": 100, "min_height": 100},
    ]  # fmt: skip


def film(*scenes: Json) -> bytes:
    """Return a package of these scenes with a second of sound in it."""
    assets = [{"id": "pic", "w": 128, "h": 128, "u": "i/", "p": "pic.png", "e": 0, "sid": "photo"}]
    layers = [_words(1), _layer(2, 2, refId="pic")]
    data = manifest(
        slug=f"film-{secrets.token_hex(4)}",
        variants=[variant(*scenes)],
        music=[{"key": "song", "title": label("song"), "path": "u/song.wav"}],
        audio={"music": "song", "music_volume": 0.6},
    )
    files = {
        **entries(main=animation(extra_layers=layers, assets=assets)),
        "i/pic.png": picture(),
        "u/song.wav": silence(1.0),
    }
    return package(data, files)


class Customer:
    """A person with a saved project, who speaks HTTP."""

    def __init__(self, platform: Platform, person: Person, answer: httpx.Response) -> None:
        self.platform = platform
        self.person = person
        self.saved: Json = answer.json()
        self.etag = answer.headers["etag"]

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Make a call as this person."""
        return await self.platform.client.request(
            method, path, json=body, headers={**self.person.headers, **headers}
        )

    async def get(self, path: str) -> Json:
        """Read something of this person's."""
        answer = await self.call("GET", path)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def edit(self, path: str, body: Any, method: str = "PUT") -> None:
        """Change the project."""
        url = f"/v1/saved-projects/{self.saved['id']}{path}"
        answer = await self.call(method, url, body, **{"If-Match": self.etag})
        assert answer.status_code == 200, answer.text
        self.saved, self.etag = answer.json(), answer.headers["etag"]

    async def fill(self, values: Json, scene: int = 0) -> None:
        """Fill slots of a scene."""
        await self.edit("/contents", {"scenes": {self.saved["scenes"][scene]["id"]: values}})

    async def ask(self, resolution: str = "360p", key: str | None = None, **body: Any) -> Any:
        """Submit a render and return the raw answer."""
        headers = {"Idempotency-Key": key or secrets.token_hex(8)}
        wanted = {"saved_project_id": self.saved["id"], "resolution": resolution, **body}
        return await self.call("POST", "/v1/renders", wanted, **headers)

    async def submit(self, resolution: str = "360p") -> Json:
        """Submit a render that is accepted."""
        answer = await self.ask(resolution)
        assert answer.status_code == 202, answer.text
        job: Json = answer.json()
        return job

    async def ended(self, job_id: str, *, within: float = 180) -> Json:
        """Return the job once it has ended."""

        async def look() -> Json | None:
            job = await self.get(f"/v1/renders/{job_id}")
            return job if job["step"] in ENDED else None

        return await self.platform.until(look, within=within)

    async def claimed(self, job_id: str, kind: str = "video") -> Any:
        """Return the frame job of this kind once a worker has it."""

        async def look() -> Any:
            rows = await self.platform.sql(
                "SELECT * FROM render.frame_jobs WHERE job_id = $1 AND kind = $2 "
                "AND state = 'Claimed' ORDER BY index",
                UUID(job_id),
                kind,
            )
            return rows[0] if rows else None

        return await self.platform.until(look, within=180)

    async def hold(self, job_id: str, kind: str, *, held: bool = True) -> None:
        """Keep pieces of this kind from being claimed, or let them go."""
        await self.platform.sql(
            "UPDATE render.frame_jobs SET held = $3 WHERE job_id = $1 AND kind = $2",
            UUID(job_id),
            kind,
            held,
        )

    async def drawn(self, job_id: str, index: int) -> str:
        """Return the object key of a range of frames once all ranges are drawn."""

        async def look() -> str | None:
            rows = await self.platform.sql(
                "SELECT state, object_key FROM render.frame_jobs WHERE job_id = $1 "
                "AND kind = 'video' ORDER BY index",
                UUID(job_id),
            )
            done = all(row["state"] == "Done" for row in rows)
            return str(rows[index]["object_key"]) if done else None

        return await self.platform.until(look, within=180)

    async def reservation(self, job_id: str, state: str) -> Any:
        """Return the reservation of a job once it is in this state."""

        async def look() -> Any:
            rows = await self.platform.sql(
                "SELECT * FROM identity.render_reservations WHERE job_id = $1 AND state = $2",
                UUID(job_id),
                state,
            )
            return rows[0] if rows else None

        return await self.platform.until(look)

    async def limits(self) -> Json:
        """Return what this person may render."""
        return await self.get("/v1/me/limits")

    async def give_charge(self, minor: int) -> None:
        """Set the render charge."""
        await self.platform.sql(
            "INSERT INTO identity.render_charge_accounts (tenant_id, user_id, balance_minor) "
            "VALUES ($1, $2, $3) ON CONFLICT (tenant_id, user_id) DO UPDATE "
            "SET balance_minor = excluded.balance_minor",
            self.person.tenant_id,
            self.person.id,
            minor,
        )

    async def upload(self, data: bytes) -> str:
        """Upload a picture as a browser does; returns the file's id."""
        asked = await self.call(
            "POST",
            "/v1/uploads",
            {"name": "a.png", "content_type": "image/png", "size_bytes": len(data),
             "purpose": "image"},
        )  # fmt: skip
        assert asked.status_code == 201, asked.text
        form = asked.json()
        async with httpx.AsyncClient() as client:
            put = await client.post(form["url"], data=form["fields"], files={"file": data})
            assert put.status_code < 300, put.text
        done = await self.call("POST", f"/v1/uploads/{form['upload_id']}/complete")
        assert done.status_code == 201, done.text
        return str(done.json()["id"])


class Island:
    """What a worker of the island's own needs to find it."""

    def __init__(self, lot: "Lot", environment: dict[str, str]) -> None:
        self.lot = lot
        self.environment = environment


_LEFT = (
    "UPDATE render.frame_jobs SET state = 'Cancelled', lease_until = NULL, finished_at = now() "
    "WHERE state IN ('Waiting', 'Claimed')",
    "UPDATE render.render_jobs SET step = 'Cancelled', finished_at = now() "
    "WHERE step NOT IN ('Done', 'Failed', 'Cancelled')",
)


class Lot:
    """One platform with two films: ``short`` is one chunk of 60 frames, ``long`` two."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.projects: dict[str, UUID] = {}

    async def forget_work(self) -> None:
        """End what earlier tests left in the queue of a platform that has no worker."""
        for statement in _LEFT:
            await self.platform.sql(statement)

    async def bring(self, name: str, data: bytes) -> None:
        """Import and publish a package through content's own importer."""
        importer = import_module("flatrender_content.services.importer").ImportService
        context = self.platform.runtime.plugins["content"].context
        made = await context.get(importer).import_bytes(DEFAULT_TENANT_ID, data, publish=True)
        rows = await self.platform.sql(
            "SELECT id FROM content.projects WHERE container_id = $1", made.container_id
        )
        self.projects[name] = rows[0]["id"]

    async def customer(
        self, film: str = "short", *, plan: str | None = None, person: Person | None = None
    ) -> Customer:
        """Return somebody with a saved project of a film."""
        somebody = person or await self.platform.person(plan=plan)
        answer = await self.platform.client.post(
            "/v1/saved-projects",
            json={"project_id": str(self.projects[film])},
            headers=somebody.headers,
        )
        assert answer.status_code == 201, answer.text
        customer = Customer(self.platform, somebody, answer)
        words = {s["id"]: {"headline": "سلام"} for s in customer.saved["scenes"]}
        await customer.edit("/contents", {"scenes": words})
        return customer


async def _films(platform: Platform) -> Lot:
    lot = Lot(platform)
    await lot.bring("short", film(scene("one", slots=_slots())))
    await lot.bring("long", film(scene("one", slots=_slots()), scene("two", slots=_slots())))
    return lot


@pytest.fixture(scope="session")
async def lot(platform: Platform) -> Lot:
    """The films on this worker's platform."""
    return await _films(platform)


@pytest.fixture(scope="session")
async def island(
    server_environment: dict[str, str], clone_database: Callable[[], TestDatabase]
) -> AsyncIterator[Island]:
    """The films on a platform of its own whose workers the tests start and end."""
    environment = {
        **server_environment,
        "FLATRENDER_DATABASE_NAME": clone_database().name,
        "FLATRENDER_VALKEY_PREFIX": server_environment["FLATRENDER_VALKEY_PREFIX"] + "island",
    }
    async with run_platform(environment, worker=False) as platform:
        yield Island(await _films(platform), environment)


class Frozen:
    """A pool whose one process stands still until :meth:`thaw`."""

    def __init__(self, pool: RenderPool) -> None:
        self.pool = pool
        self.pid = 0

    async def freeze(self) -> None:
        """Stop the process, started first where there is none."""
        await self.pool.warm_up()
        (worker,) = self.pool._workers
        self.pid = worker.process.pid
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, if it still lives."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it the hard way."""
        os.kill(self.pid, signal.SIGKILL)


@pytest.fixture
async def frozen(platform: Platform) -> AsyncIterator[Frozen]:
    """The platform's render process, standing still."""
    pool = Frozen(platform.runtime.plugins["render"].context.get(Runner).pool)

    async def idle() -> bool:
        # What an earlier test left behind must not stand in the worker's only place.
        (row,) = await platform.sql(
            "SELECT count(*) AS n FROM render.frame_jobs WHERE engine = 'lottie' AND "
            "(state = 'Claimed' OR (state = 'Waiting' AND NOT held AND not_before <= now()))"
        )
        return bool(row["n"] == 0)

    with contextlib.suppress(AssertionError):
        await platform.until(idle, within=20)
    await pool.freeze()
    yield pool
    pool.thaw()


@pytest.fixture
async def freezer(island: Island) -> AsyncIterator[Callable[[RenderPool], Awaitable[Frozen]]]:
    """Return a function that freezes a pool of the island's; all are thawed at the end.

    What other tests left on the island goes first: a frozen pool that had taken it would have no
    hand free for what this test is about.
    """
    await island.lot.forget_work()
    made: list[Frozen] = []

    async def freeze(pool: RenderPool) -> Frozen:
        one = Frozen(pool)
        made.append(one)
        await one.freeze()
        return one

    yield freeze
    for one in made:
        one.thaw()


@pytest.fixture(scope="session")
def make_lot() -> Callable[[Platform], Lot]:
    """Return the maker of lots, for platforms of a test's own."""
    return Lot
