"""A node's cache: budget, order, pins across processes, damage on the disk."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flatrender.storage import ObjectMissing
from flatrender_render.farm.cache import CachedPackage, ContentCache, ContentLost

DATA = {n: bytes([n]) * 100 for n in range(1, 6)}
SHA = {n: hashlib.sha256(data).hexdigest() for n, data in DATA.items()}


class Store:
    """Objects by number; counts how often each was fetched."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.objects = {str(n): data for n, data in DATA.items()}

    async def download(self, key: str, target: Path) -> None:
        """Write an object."""
        self.fetched.append(key)
        if key not in self.objects:
            raise ObjectMissing(key)
        target.write_bytes(self.objects[key])


async def use(cache: ContentCache, store: Store, *numbers: int) -> None:
    for n in numbers:
        async with cache.hold({SHA[n]: str(n)}, store, package=SHA[n]) as files:
            assert files[SHA[n]].read_bytes() == DATA[n]


async def here(cache: ContentCache) -> set[int]:
    names = {package.sha256 for package in await cache.packages()}
    return {n for n, digest in SHA.items() if digest in names}


def age(folder: Path, *numbers: int) -> None:
    """Let these be used in this order, long ago."""
    for number, n in enumerate(numbers):
        moment = time.time() - 1000 + number
        os.utime(folder / f"{SHA[n]}.package", (moment, moment))


async def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    store, cache = Store(), ContentCache(tmp_path, budget=300)
    await use(cache, store, 1, 2, 3)
    age(tmp_path, 2, 3, 1)
    await use(cache, store, 4)
    assert await here(cache) == {1, 3, 4}
    await use(cache, store, 3)  # used: now the first one is the oldest
    await use(cache, store, 5)
    assert await here(cache) == {3, 4, 5}
    assert store.fetched == ["1", "2", "3", "4", "5"]


async def test_what_is_in_use_stays_whatever_the_budget(tmp_path: Path) -> None:
    store, cache = Store(), ContentCache(tmp_path, budget=0)
    async with cache.hold({SHA[1]: "1"}, store, package=SHA[1]) as files:
        await use(cache, store, 2)
        assert await cache.clean() == 100
        assert files[SHA[1]].read_bytes() == DATA[1]
        (package,) = await cache.packages()
        assert (package.sha256, package.pins) == (SHA[1], 1)
    assert await cache.clean() == 100
    assert await here(cache) == set()


async def test_another_worker_of_the_machine_does_not_remove_what_is_in_use(
    tmp_path: Path,
) -> None:
    store, cache = Store(), ContentCache(tmp_path)
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from flatrender_render.farm.cache import ContentCache\n"
        "print(asyncio.run(ContentCache(Path(sys.argv[1])).clean()))\n"
    )

    def clean_elsewhere() -> str:
        command = [sys.executable, "-c", program, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    await use(cache, store, 2)
    async with cache.hold({SHA[1]: "1"}, store, package=SHA[1]) as files:
        assert clean_elsewhere() == "100"
        assert files[SHA[1]].read_bytes() == DATA[1]
    assert clean_elsewhere() == "100"


async def test_a_flipped_byte_is_noticed_and_the_copy_fetched_anew(tmp_path: Path) -> None:
    store, cache = Store(), ContentCache(tmp_path)
    await use(cache, store, 1)
    path = tmp_path / f"{SHA[1]}.package"
    before = path.stat()
    path.write_bytes(b"\0" + DATA[1][1:])
    os.utime(path, (before.st_atime, before.st_mtime))  # as a disk rots: nothing else tells
    await use(cache, store, 1, 1)
    assert store.fetched == ["1", "1"]


async def test_a_store_that_gives_other_bytes_is_not_believed(tmp_path: Path) -> None:
    store, cache = Store(), ContentCache(tmp_path)
    store.objects["1"] = DATA[2]
    with pytest.raises(ContentLost) as lost:
        await use(cache, store, 1)
    assert lost.value.digest == SHA[1]
    assert list(tmp_path.iterdir()) == []


async def test_one_that_fails_leaves_nothing_pinned(tmp_path: Path) -> None:
    store, cache = Store(), ContentCache(tmp_path)
    del store.objects["2"]
    with pytest.raises(ContentLost):
        async with cache.hold({SHA[1]: "1", SHA[2]: "2"}, store, package=SHA[1]):
            raise AssertionError("nothing to work with")
    assert await cache.clean() == 100


async def test_only_packages_are_told_and_only_when_there_is_news(tmp_path: Path) -> None:
    store, cache = Store(), ContentCache(tmp_path, budget=200)
    assert await cache.news() == [], "the first time all is told"
    assert await cache.news() is None
    async with cache.hold({SHA[1]: "1", SHA[2]: "2"}, store, package=SHA[1]):
        pass
    (told,) = list(await cache.news() or [])
    assert (told.sha256, told.bytes, told.hits) == (SHA[1], 100, 0)
    await use(cache, store, 1)
    assert await cache.news() is None, "a use is no news"
    cache.unheard()
    (again,) = list(await cache.news() or [])
    assert isinstance(again, CachedPackage)
    assert again.hits == 1
    age(tmp_path, 1)
    os.utime(tmp_path / SHA[2])
    await use(cache, store, 3)
    assert [one.sha256 for one in await cache.news() or ()] == [SHA[3]]


async def test_a_download_that_nobody_goes_on_with_is_removed(tmp_path: Path) -> None:
    store, cache = Store(), ContentCache(tmp_path)
    dead, alive = tmp_path / "x.part", tmp_path / "y.part"
    for path in (dead, alive):
        path.write_bytes(b"x")
    os.utime(dead, (1, 1))
    await use(cache, store, 1)
    assert not dead.exists()
    assert alive.exists()
