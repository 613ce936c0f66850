"""Snapshots: one frame of one scene, drawn once per content and kept by its content address.

Rows are a person's own, so that nobody reads another's; the picture lies under its content
address and is drawn once for everybody of the tenant.
"""

import asyncio
import contextlib
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from flatrender.clock import uuid7
from flatrender.contracts.studio import RenderSource, SavedProjects
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.security.limits import define_limit
from flatrender.security.principal import Principal
from flatrender.storage import ObjectMissing
from flatrender.tasks.task import RetryLater
from flatrender.template.composition import Composition, ImageRef, SceneInstance
from flatrender.template.manifest import Transition
from flatrender.template.timing import total_frames
from flatrender_render import queries, schemas
from flatrender_render.engines import RenderSpec, engine, still_key
from flatrender_render.errors import SnapshotFailed
from flatrender_render.farm.failures import classify
from flatrender_render.farm.node import Node
from flatrender_render.farm.performer import code_of
from flatrender_render.farm.runner import Runner
from flatrender_render.farm.wake import SNAPSHOT, SnapshotWake
from flatrender_render.queries import SnapshotView
from flatrender_render.schemas import Snapshot

log = structlog.get_logger(__name__)

WAIT_SECONDS = 8.0
MAX_ATTEMPTS = 3
LEASE_SECONDS = 30.0
#: Addresses of stills that this process composed lately, and of which version of their project.
KNOWN = 4096

_INSERT = """
INSERT INTO render.snapshots (id, tenant_id, user_id, cache_key, saved_project_id, saved_scene_id,
    engine, engine_version, package_object_key, package_sha256, composition, frame, width, height)
SELECT r.id, :tenant, :user, r.key, :saved, r.scene, :engine, :version, :package_key, :package_sha,
       r.composition, r.frame, r.width, r.height
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, key text, scene uuid,
     composition jsonb, frame int, width int, height int)
ON CONFLICT (tenant_id, cache_key) DO UPDATE SET
    state = CASE WHEN render.snapshots.state = 'Failed' THEN 'Waiting'
                 ELSE render.snapshots.state END,
    attempts = CASE WHEN render.snapshots.state = 'Failed' THEN 0
                    ELSE render.snapshots.attempts END,
    last_used_at = now()
RETURNING id, cache_key, state
"""
_CLAIM = """
UPDATE render.snapshots SET state = 'Claimed', epoch = epoch + 1, attempts = attempts + 1,
    node_id = $2, lease_until = now() + make_interval(secs => $3)
WHERE id = (SELECT id FROM render.snapshots
            WHERE ($1::uuid IS NULL OR id = $1)
              AND (state = 'Waiting' OR (state = 'Claimed' AND lease_until < now()))
            ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, tenant_id, epoch, engine, package_object_key, package_sha256, composition, frame,
          width, height, cache_key, attempts
"""
_AGAIN = """
UPDATE render.snapshots SET state = 'Waiting', lease_until = NULL
WHERE id = $1 AND epoch = $2 AND state = 'Claimed'
"""
_DONE = """
UPDATE render.snapshots SET state = 'Done', lease_until = NULL, object_key = $3, sha256 = $4,
    size_bytes = $5, finished_at = now()
WHERE id = $1 AND epoch = $2 AND state = 'Claimed'
"""
_FAILED = """
UPDATE render.snapshots SET state = 'Failed', lease_until = NULL, error_code = $3,
    error_message = $4, finished_at = now()
WHERE id = $1 AND epoch = $2 AND state = 'Claimed'
"""


class _Work(Struct, frozen=True, kw_only=True):
    id: UUID
    tenant_id: UUID
    epoch: int
    engine: str
    package_object_key: str
    package_sha256: str
    composition: Composition
    frame: int
    width: int
    height: int
    cache_key: str
    attempts: int


_FRESH = define_limit("snapshot", 240, 60.0)


class SnapshotService:
    """Ask for snapshots (API) and draw them (worker)."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._base = context.infra.settings.http.public_url.rstrip("/")
        self._known: OrderedDict[tuple[Any, ...], tuple[int, str]] = OrderedDict()

    async def ask(
        self,
        principal: Principal,
        saved_project_id: UUID,
        *,
        scene_id: UUID | None,
        time: float | None,
        width: int,
    ) -> Snapshot:
        """Return a snapshot, drawn now or before; ``url`` is None when it takes too long.

        Raises ``NotFound``, ``RateLimited``, studio's refusals and :class:`SnapshotFailed`.
        """
        if principal.user_id is None:
            raise NotFound()
        projects = self._context.port(SavedProjects)
        own = (principal.tenant_id, principal.user_id, saved_project_id)
        asked = (*own, scene_id, time, width)
        # The same project at the same version shows the same picture: it is not composed again.
        # Whether it is still that version and what is kept of it is asked at the same time.
        composed, key = self._known.get(asked, (None, None))
        version, found = await asyncio.gather(
            projects.version(*own), self._kept(principal.tenant_id, key)
        )
        if version is None:
            raise NotFound()
        if found is not None and composed == version:
            self._known.move_to_end(asked)
            return schemas.snapshot_of(found, cached=True, base=self._base)
        source = await projects.render_source(*own, complete=False)
        if source is None:
            raise NotFound()
        shot = still_of(source, pick(source, scene_id), time, width, principal.user_id)
        key = shot.key
        self._remember(asked, (source.version, key))
        if (found := await self._kept(principal.tenant_id, key)) is not None:
            return schemas.snapshot_of(found, cached=True, base=self._base)
        # What is drawn anew costs a render slot and a place in the store; what is kept does not.
        await self._context.infra.security.limiter.check(
            _FRESH.name, f"account:{principal.user_id}"
        )
        async with self._context.infra.hub.listen(f"snapshot:{key}") as listener:
            snapshot_id = await self._insert(principal, source, shot)
            await self._context.infra.queue.enqueue_task(
                "render", SNAPSHOT.queue, SNAPSHOT.name, SnapshotWake(snapshot_id=snapshot_id)
            )
            loop = asyncio.get_running_loop()
            deadline = loop.time() + WAIT_SECONDS
            while True:
                found = await queries.snapshot_by_key(self._db.reads, principal.tenant_id, key)
                if found is not None and found.state in ("Done", "Failed"):
                    break
                if loop.time() >= deadline:
                    break
                await listener.next_message(min(1.0, max(0.01, deadline - loop.time())))
        if found is None:
            raise NotFound()
        if found.state == "Failed":
            verdict = classify(found.error_code or "internal", "")
            raise SnapshotFailed(
                extra={"reason": found.error_code},
                reason_fa=verdict.explanation_fa,
                reason_en=verdict.explanation_en,
            )
        return schemas.snapshot_of(found, cached=False, base=self._base)

    async def read(self, principal: Principal, snapshot_id: UUID) -> Snapshot:
        """Return a snapshot of the caller. Raises ``NotFound``."""
        found = await self._own(principal, snapshot_id)
        return schemas.snapshot_of(found, cached=True, base=self._base)

    async def link(self, principal: Principal, snapshot_id: UUID) -> str:
        """Return a fresh presigned link to the picture. Raises ``NotFound``."""
        found = await self._own(principal, snapshot_id)
        if found.object_key is None:
            raise NotFound()
        return self._context.infra.storage.link(found.object_key)

    async def draw(self, snapshot_id: UUID | None) -> bool:
        """Draw one waiting snapshot in this worker; False when there was none."""
        node = await self._context.get(Node).identity()
        async with self._db.system("snapshot claim") as work:
            row = await work.fetchrow(_CLAIM, snapshot_id, node, LEASE_SECONDS)
        if row is None:
            return False
        task = msgspec.convert(dict(row), _Work, strict=False)
        try:
            key, picture = await self._picture(task)
            digest = hashlib.sha256(picture).hexdigest()
            async with self._db.system("snapshot done") as work:
                await work.execute(_DONE, task.id, task.epoch, key, digest, len(picture))
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(task))
            raise
        except Exception as error:
            verdict = classify(code_of(error, task.package_sha256), str(error))
            if not verdict.fail_now and task.attempts < MAX_ATTEMPTS:
                await self._give_back(task)
                raise RetryLater(0.5) from error
            log.warning("snapshot_failed", code=verdict.code, error=repr(error))
            async with self._db.system("snapshot failed") as work:
                await work.execute(_FAILED, task.id, task.epoch, verdict.code, verdict.message)
        await self._context.infra.hub.publish(f"snapshot:{task.cache_key}", {"type": "snapshot"})
        return True

    async def _picture(self, task: _Work) -> tuple[str, bytes]:
        """Return the object key and the bytes; drawn only where nobody of the tenant had it."""
        storage = self._context.infra.storage
        address = _address(
            task.engine,
            task.package_sha256,
            task.composition,
            task.frame,
            (task.width, task.height),
        )
        key = f"snapshots/{task.tenant_id}/{address}.png"
        with contextlib.suppress(ObjectMissing):
            return key, await storage.get(key)
        runner = self._context.get(Runner)
        async with runner.cache.hold(_files(task), storage, package=task.package_sha256) as files:
            spec = RenderSpec(
                package=str(files[task.package_sha256]),
                package_sha256=task.package_sha256,
                composition=task.composition,
                width=task.width,
                height=task.height,
                assets={d: str(p) for d, p in files.items() if d != task.package_sha256},
            )
            picture = await runner.stills.snapshot(task.engine, spec, task.frame)
        await storage.put(key, picture, content_type="image/png")
        return key, picture

    async def _give_back(self, task: _Work) -> None:
        with contextlib.suppress(Exception):  # when this fails, the lease runs out
            async with self._db.system("snapshot given back") as work:
                await work.execute(_AGAIN, task.id, task.epoch)

    async def _insert(self, principal: Principal, source: RenderSource, shot: "Still") -> UUID:
        async with self._db.unit_of_work(principal.tenant_id) as work:
            made = await insert_stills(work, principal, source, [shot])
            return made[shot.key].id

    async def _kept(self, tenant_id: UUID, key: str | None) -> SnapshotView | None:
        """Return the picture at an address, if it is there."""
        found = key and await queries.snapshot_by_key(self._db.reads, tenant_id, key)
        return found if found and found.state == "Done" else None

    def _remember(self, asked: tuple[Any, ...], known: tuple[int, str]) -> None:
        self._known[asked] = known
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)

    async def _own(self, principal: Principal, snapshot_id: UUID) -> SnapshotView:
        found = await queries.snapshot_by_id(
            self._db.reads, principal.tenant_id, snapshot_id, principal.user_id
        )
        if found is None:
            raise NotFound()
        return found


class Still(Struct, frozen=True, kw_only=True):
    """One frame of one scene to draw; ``key`` is its owner's own, of the content address."""

    scene: SceneInstance
    composition: Composition
    frame: int
    width: int
    height: int
    key: str


class StoredStill(Struct, frozen=True):
    """A row that shows a still, and how far it is."""

    id: UUID
    state: str


def still_of(
    source: RenderSource, scene: SceneInstance, time: float | None, width: int, user_id: UUID
) -> Still:
    """Return what shows a scene at a moment (by default settled) at ``width`` pixels."""
    composition = replace(
        source.composition, scenes=[replace(scene, transition=Transition())], audio=[]
    )
    frame = _frame(composition, time)
    height = max(2, 2 * round(width * composition.height / composition.width / 2))
    size = (width - width % 2, height)
    still = _address(source.engine, source.package_sha256, composition, frame, size)
    return Still(
        scene=scene,
        composition=composition,
        frame=frame,
        width=size[0],
        height=size[1],
        key=hashlib.sha256(f"{user_id}:{still}".encode()).hexdigest(),
    )


async def insert_stills(
    work: UnitOfWork, principal: Principal, source: RenderSource, stills: Sequence[Still]
) -> dict[str, StoredStill]:
    """Write the rows of stills, or find them by key: one statement for all."""
    rows = [
        {
            "id": uuid7(),
            "key": one.key,
            "scene": _uuid(one.scene.id),
            "composition": one.composition,
            "frame": one.frame,
            "width": one.width,
            "height": one.height,
        }
        for one in {still.key: still for still in stills}.values()
    ]
    made = await work.execute(
        _INSERT,
        tenant=principal.tenant_id,
        user=principal.user_id,
        saved=source.saved_project_id,
        engine=source.engine,
        version=engine(source.engine).version,
        package_key=source.package_object_key,
        package_sha=source.package_sha256,
        rows=msgspec.json.encode(rows).decode(),
    )
    return {row.cache_key: StoredStill(row.id, row.state) for row in made}


def pick(source: RenderSource, scene_id: UUID | None) -> SceneInstance:
    """Return a scene of the project, by default the first. Raises ``NotFound``."""
    scenes = source.composition.scenes
    if scene_id is None:
        return scenes[0]
    for scene in scenes:
        if scene.id == str(scene_id):
            return scene
    raise NotFound()


def _frame(composition: Composition, time: float | None) -> int:
    """Return the frame to show: by default where everything has come in and nothing has left."""
    scene = composition.scenes[0]
    settled = min(scene.duration - scene.outro, max(scene.intro, scene.duration * 0.6))
    wanted = settled if time is None else time
    return max(0, min(total_frames(composition) - 1, round(wanted * composition.fps)))


def _address(
    name: str, package_sha256: str, composition: Composition, frame: int, size: tuple[int, int]
) -> str:
    """Return the content address: equal for equal pixels, whoever asks."""
    spec = RenderSpec(
        package="",
        package_sha256=package_sha256,
        composition=composition,
        width=size[0],
        height=size[1],
    )
    return still_key(name, engine(name).version, spec, frame)


def _files(task: _Work) -> dict[str, str]:
    wanted = {task.package_sha256: task.package_object_key}
    for value in task.composition.scenes[0].values.values():
        if isinstance(value, ImageRef):
            wanted[value.sha256] = value.object_key
    return wanted


def _uuid(text: str) -> Any:
    try:
        return UUID(text)
    except ValueError:
        return None
