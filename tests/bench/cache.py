"""The template cache of a node: the first frame of a cold node against that of a warm one.

Cold: the package is fetched from S3 on this machine, verified and opened; and the same within
100 Mbit/s, by the very limiter of a node outside. Warm: it lies on the node's disk, is verified and
opened. All three draw in the same render process a composition that it has not seen. The ballast
of a package is incompressible, as pictures and sounds are.
"""

import asyncio
import hashlib
import os
import time
from itertools import count
from pathlib import Path
from typing import Any

from tests.bench.stack import heading, servers, table, temporary_folder

from flatrender.clock import SystemClock
from flatrender.settings import load_settings
from flatrender.storage import ObjectStore
from flatrender.template.composition import Composition, SceneInstance
from flatrender.testing import packages as make
from flatrender.testing.rounds import medians, ratio, turns
from flatrender_render.engines import RenderSpec
from flatrender_render.engines.pool import PoolLimits, RenderPool
from flatrender_render.farm.cache import ContentCache
from flatrender_render.farm.remote import Bandwidth

MIB = 2**20
LINE = 100_000_000  # bits a second
_serial = count()


class _Slow:
    """The store behind a node's line."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._bandwidth = Bandwidth(LINE)

    async def download(self, key: str, target: Path) -> None:
        """See ``Source``: the time that the line would take goes by as well."""
        await self._store.download(key, target)
        await self._bandwidth.take(target.stat().st_size)
        await self._bandwidth.take(0)  # the line is busy until the last byte is through


def run(*, quick: bool) -> None:
    """Measure and print."""
    rounds = 3 if quick else 9
    with servers(s3=True) as environment, temporary_folder() as folder:
        asyncio.run(_measure(environment, folder, rounds))


async def _measure(environment: dict[str, str], folder: Path, rounds: int) -> None:
    heading(f"First frame of a cold node against a warm one ({rounds} rounds, medians)")
    store = ObjectStore(load_settings(environment).storage, SystemClock())
    await store.ensure_bucket()
    rows: list[list[str]] = []
    async with RenderPool(1, PoolLimits(nice=0)) as pool:
        await pool.warm_up()
        for size in (MIB // 4, 4 * MIB, 32 * MIB):
            data = _package(size)
            digest = hashlib.sha256(data).hexdigest()
            key = f"bench/{digest}"
            await store.put(key, data)
            rows.append(await _compare(pool, store, digest, key, len(data), folder, rounds))
    table(
        ["package", "warm, ms", "cold, ms", "cold at 100 Mbit/s", "cold/warm", "at 100 Mbit/s"],
        rows,
    )


async def _compare(
    pool: RenderPool,
    store: ObjectStore,
    digest: str,
    key: str,
    size: int,
    folder: Path,
    rounds: int,
) -> list[str]:
    cache = ContentCache(folder / digest)
    sources: dict[str, Any] = {"warm": store, "cold": store, "line": _Slow(store)}
    found: list[dict[str, float]] = []
    for order in [list(sources), *turns(list(sources), rounds)]:  # the first one is not counted
        each: dict[str, float] = {}
        for name in order:
            if name != "warm":
                await cache.clean()
            begun = time.perf_counter()
            async with cache.hold({digest: key}, sources[name], package=digest) as files:
                await pool.snapshot("lottie", _spec(files[digest], digest), 0, width=320)
            each[name] = (time.perf_counter() - begun) * 1e3
        found.append(each)
    del found[0]
    middle = medians(found)
    return [
        f"{size / MIB:.1f} MiB",
        *(f"{middle[name]:.0f}" for name in sources),
        *(f"{ratio(found, name, 'warm'):.1f}" for name in ("cold", "line")),
    ]


def _package(ballast: int) -> bytes:
    """Return a template with a moving square and ``ballast`` bytes of sound."""
    noise = make.silence(0.01) + os.urandom(ballast)
    return make.package(None, {**make.entries(), "u/ballast.wav": noise})


def _spec(path: Path, digest: str) -> RenderSpec:
    scene = SceneInstance(id=f"s{next(_serial)}", scene_key="intro", animation="main", duration=2.0)
    composition = Composition(
        width=320, height=180, fps=30, aspect="16:9", direction="ltr", scenes=[scene]
    )
    return RenderSpec(
        package=str(path), package_sha256=digest, composition=composition, width=320, height=180
    )
