"""Processes that are killed at any moment, and machines that are not in order.

Real processes: an API and workers as an operator runs them. After each fault the questions of
``check`` are asked: ended, exported once, byte for byte as undisturbed, paid once, nothing open.
"""

import asyncio
import contextlib
import os
import random
import secrets
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from flatrender.testing.platform import Platform
from flatrender.testing.serving import serve_app
from flatrender.testing.workers import process, worker
from flatrender_render.farm import accounts
from flatrender_render.farm.claims import LEASE_SECONDS

pytestmark = pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)
FULL = os.environ.get("FLATRENDER_FAULTS") == "full"
SEEDS = range(1, 13 if FULL else 2)


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def answers(client: httpx.AsyncClient) -> bool:
    """Whether an API is there."""
    try:
        return (await client.get("/health/live")).status_code == 200
    except httpx.TransportError:
        return False


async def expire(platform: Any, job_id: str) -> None:
    """Let the leases on a job run out."""
    await platform.sql(
        "UPDATE render.frame_jobs SET lease_until = now() - interval '1 s' "
        "WHERE job_id = $1 AND state = 'Claimed'",
        UUID(job_id),
    )


async def test_an_api_killed_in_the_middle_of_a_journey(island: Any, check: Any, rich: Any) -> None:
    """It dies while it sets money aside, while it writes the render, and while somebody waits."""
    customer = await rich(island.lot)
    inside, person = customer.platform, customer.person
    port, key = free_port(), secrets.token_hex(8)
    wanted = {"saved_project_id": customer.saved["id"], "resolution": "540p"}
    serve = ("serve", "--host", "127.0.0.1", "--port", str(port))
    doors = {
        "render_charge_accounts": (
            "SELECT FROM identity.render_charge_accounts WHERE user_id = $1 FOR UPDATE",
            person.id,
        ),
        "INSERT INTO render.render_jobs": ("LOCK TABLE render.render_jobs IN SHARE MODE",),
    }
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        headers = {**person.headers, "Idempotency-Key": key}
        outside = Platform(inside.runtime, client, None)
        for statement, lock in doors.items():
            async with process(island.environment, *serve) as api:
                await outside.until(lambda: answers(client), within=90)
                async with inside.held(*lock):
                    asked = asyncio.create_task(
                        client.post("/v1/renders", json=wanted, headers=headers)
                    )
                    await inside.waiters(1, of=statement)
                    api.kill()
                    await api.wait()
                with pytest.raises(httpx.TransportError):
                    await asked
            await inside.sql(
                "UPDATE render.idempotency_keys SET locked_until = now() - interval '1 s' "
                "WHERE key = $1",
                key,
            )
        rows = await inside.sql(
            "SELECT state FROM identity.render_reservations WHERE user_id = $1", person.id
        )
        assert [row["state"] for row in rows] == ["Reserved"], "taken, and no render of it"
        await inside.sql(
            "UPDATE identity.render_reservations SET expires_at = now() - interval '1 s' "
            "WHERE user_id = $1",
            person.id,
        )
        await accounts.settle_overdue(inside.runtime.plugins["render"].context)
        async with worker(island.environment):
            async with process(island.environment, *serve) as api:
                await outside.until(lambda: answers(client), within=90)
                answer = await client.post("/v1/renders", json=wanted, headers=headers)
                assert answer.status_code == 202, answer.text
                job = answer.json()["id"]
                await customer.claimed(job)
                api.kill()
                await api.wait()
            async with process(island.environment, *serve):
                await outside.until(lambda: answers(client), within=90)
                again = await client.post("/v1/renders", json=wanted, headers=headers)
                assert (again.status_code, again.json()["id"]) == (202, job)

                async def ended() -> bool:
                    seen = await client.get(f"/v1/renders/{job}", headers=person.headers)
                    return bool(seen.json()["step"] == "Done")

                await outside.until(ended, within=90)
            await check(customer, job)
    rows = await inside.sql(
        "SELECT state, count(*)::int AS n FROM identity.render_reservations WHERE user_id = $1 "
        "GROUP BY state",
        person.id,
    )
    assert {row["state"]: row["n"] for row in rows} == {"Released": 1, "Settled": 2}


@pytest.mark.parametrize("seed", SEEDS)
async def test_workers_killed_at_random_moments(
    island: Any, check: Any, rich: Any, seed: int
) -> None:
    """Three workers one after the other, each killed while the video is made; then a sound one."""
    moments = random.Random(seed)
    customer = await rich(island.lot)
    job = await customer.submit("540p")
    for _ in range(3):
        async with process(island.environment) as doomed:
            if await at_work(customer, job["id"]):
                await until_the_end_of(doomed, moments.uniform(0, 2))
            doomed.kill()
            await doomed.wait()
        await expire(customer.platform, job["id"])
    async with worker(island.environment):
        await check(customer, job["id"])


async def at_work(customer: Any, job_id: str) -> bool:
    """Wait until somebody works on a job; False when it ended meanwhile."""

    async def look() -> Any:
        (row,) = await customer.platform.sql(
            "SELECT j.step, EXISTS (SELECT FROM render.frame_jobs f WHERE f.job_id = j.id "
            "AND f.state = 'Claimed') AS taken FROM render.render_jobs j WHERE j.id = $1",
            UUID(job_id),
        )
        return row if row["taken"] or row["step"] == "Done" else None

    return bool((await customer.platform.until(look, within=90))["step"] != "Done")


async def until_the_end_of(running: asyncio.subprocess.Process, seconds: float) -> None:
    """Wait for the end of a process, no longer than so many seconds."""
    try:
        await asyncio.wait_for(running.wait(), seconds)
    except TimeoutError:
        return


async def test_a_worker_with_a_full_disk(
    island: Any, check: Any, rich: Any, tmp_path: Path
) -> None:
    """Its folder is a file system of its own with room for nothing; another worker does it."""
    namespace = ["unshare", "--mount", "--map-root-user"]
    mount = f"mount -t tmpfs -o size=256k none {tmp_path} && "
    tried = [*namespace, "sh", "-c", mount + "exec true"]
    if shutil.which("unshare") is None or await status_of(*tried):
        pytest.skip("this machine lets nobody mount a file system in a namespace")
    tiny = {"FLATRENDER_DATA_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}
    customer = await rich(island.lot)
    platform = customer.platform
    under = [*namespace, "sh", "-c", mount + 'exec "$0" "$@"']
    async with process({**island.environment, **tiny}, under=under):
        job = await customer.submit("540p")

        async def refused() -> Any:
            return await platform.sql(
                "SELECT error_class, blamed FROM render.frame_attempts "
                "WHERE job_id = $1 AND outcome = 'Failed'",
                UUID(job["id"]),
            )

        failed = await platform.until(refused, within=90)
        assert {tuple(row) for row in failed} == {("resource", False)}
        async with worker(island.environment):
            await check(customer, job["id"])


@pytest.mark.parametrize("minutes", [-180, -7, 7, 180] if FULL else [-180])
async def test_a_node_outside_whose_clock_is_wrong(
    island: Any, check: Any, rich: Any, tmp_path: Path, minutes: int
) -> None:
    """Its signatures carry its time: it learns the farm's and signs with that."""
    customer = await rich(island.lot)
    async with outside(island, tmp_path, await clock(tmp_path, minutes * 60)):
        job = await customer.submit("540p")
        assert await in_time(customer, job["id"])
    async with worker(island.environment):
        await check(customer, job["id"])


# From a quarter of an hour on the object store takes no signature of it: it does not start.
@pytest.mark.parametrize("minutes", [7, 14] if FULL else [7])
async def test_a_worker_whose_clock_is_ahead(
    island: Any, check: Any, rich: Any, tmp_path: Path, minutes: int
) -> None:
    """What it puts on a queue is due at once for others too, who go on when it has died."""
    customer = await rich(island.lot)
    async with process({**island.environment, **await clock(tmp_path, minutes * 60)}):
        job = await customer.submit("540p")
        assert await in_time(customer, job["id"])
    async with worker(island.environment):
        await check(customer, job["id"])


async def test_a_node_whose_disk_is_slow(
    island: Any, check: Any, rich: Any, tmp_path: Path
) -> None:
    """A write stands still while it fetches the template, then one while it draws: its heartbeat
    goes on meanwhile (full: for longer than a lease), and nobody takes it for dead."""
    customer = await rich(island.lot)
    platform = customer.platform
    shut = [tmp_path / "cache.shut", tmp_path / "scratch.shut"]
    async with outside(island, tmp_path, await slow_disk(tmp_path)) as node_id:

        async def joined() -> bool:
            rows = await platform.sql("SELECT status FROM render.nodes WHERE id = $1", node_id)
            return bool(rows[0]["status"] == "Idle")

        await platform.until(joined, within=90)
        for gate in shut:
            gate.touch()
        job = await customer.submit("540p")
        for gate in shut:
            waits = gate.with_suffix(".waits")

            async def stands_still(waits: Path = waits) -> bool:
                return await asyncio.to_thread(waits.exists)

            await platform.until(stands_still, within=90)
            for _ in range(3):
                await prolonged(customer, job["id"], LEASE_SECONDS / 2 if FULL else 0.0)
            gate.unlink()
        assert await in_time(customer, job["id"])
    tries = await platform.sql(
        "SELECT outcome, node_id FROM render.frame_attempts WHERE job_id = $1", UUID(job["id"])
    )
    assert [tuple(one) for one in tries] == [("Done", node_id)] * 4, "two ranges, sound, assembly"
    async with worker(island.environment):
        await check(customer, job["id"])


async def prolonged(customer: Any, job_id: str, seconds: float) -> None:
    """Wait until the lease on the piece that is worked on ends more than so much later."""

    async def lease() -> Any:
        rows = await customer.platform.sql(
            "SELECT lease_until FROM render.frame_jobs WHERE job_id = $1 AND state = 'Claimed'",
            UUID(job_id),
        )
        return rows[0]["lease_until"]

    before = await lease()

    async def later() -> bool:
        return bool((await lease() - before).total_seconds() > seconds)

    await customer.platform.until(later, within=180)


@contextlib.asynccontextmanager
async def outside(island: Any, folder: Path, preload: dict[str, str]) -> AsyncIterator[UUID]:
    """``flatrender node`` in a process of its own while the block lasts; yields the node's id."""
    platform = island.lot.platform
    admin = await platform.admin()
    answer = await platform.client.post(
        "/v1/admin/nodes",
        json={"name": f"odd-{uuid4().hex[:8]}"},
        headers={**admin.headers, "Idempotency-Key": uuid4().hex},
    )
    node = answer.json()
    async with serve_app(platform.app) as api:
        named = {
            **preload,
            "FLATRENDER_NODE_URL": f"http://{api}",
            "FLATRENDER_NODE_ID": node["id"],
            "FLATRENDER_NODE_SECRET": node["secret"],
        }
        async with process(named, "node", "--folder", str(folder / "node"), "--slots", "1"):
            yield UUID(node["id"])


async def status_of(*command: str) -> int:
    """Run a command and return its exit status."""
    running = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await running.wait()


async def in_time(customer: Any, job_id: str) -> bool:
    """Whether a job ended well, all its times within its real ones."""
    assert (await customer.ended(job_id, within=120))["step"] == "Done"
    (row,) = await customer.platform.sql(
        "SELECT count(*) AS n FROM render.render_jobs j "
        "JOIN render.frame_jobs f ON f.job_id = j.id WHERE j.id = $1 "
        "AND (f.started_at < j.created_at OR f.finished_at > now() "
        "OR f.finished_at < f.started_at)",
        UUID(job_id),
    )
    return bool(row["n"] == 0)


_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
int clock_gettime(clockid_t which, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(which, at);
    if (!status && which == CLOCK_REALTIME) at->tv_sec += OFF;
    return status;
}
time_t time(time_t *to) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (to) *to = at.tv_sec;
    return at.tv_sec;
}
int gettimeofday(struct timeval *to, void *zone) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    to->tv_sec = at.tv_sec;
    to->tv_usec = at.tv_nsec / 1000;
    return 0;
}
"""


_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
static void drag(int fd) {
    char link[64], path[4096], shut[4200], waits[4200];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    if (strncmp(path, FOLDER "/node/", strlen(FOLDER "/node/"))) return;
    const char *place = strstr(path, "/scratch/") ? "scratch" : "cache";
    if (!strstr(path, place)) return;
    snprintf(shut, sizeof shut, FOLDER "/%s.shut", place);
    snprintf(waits, sizeof waits, FOLDER "/%s.waits", place);
    while (!access(shut, F_OK)) {
        close(open(waits, O_CREAT | O_WRONLY, 0600));
        usleep(20000);
    }
    usleep(5000);
}
#define SLOW(type, name, args, call) \
    type name args { \
        static type (*real) args; \
        if (!real) real = dlsym(RTLD_NEXT, #name); \
        drag(fd); \
        return real call; \
    }
SLOW(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
SLOW(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))
SLOW(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
"""


async def clock(folder: Path, seconds: int) -> dict[str, str]:
    """Return what gives a process, and all it starts, a clock that is so far off."""
    return await preloaded(folder, _CLOCK, f"-DOFF=({seconds})")


async def slow_disk(folder: Path) -> dict[str, str]:
    """Return what makes writes below ``folder``/node slow, in a process and all it starts.

    While ``cache.shut`` is there, what writes to a node's cache stands still; so for ``scratch``.
    """
    return await preloaded(folder, _DISK, f'-DFOLDER="{folder}"')


async def preloaded(folder: Path, source: str, define: str) -> dict[str, str]:
    """Return what puts functions of ours before those of the C library in a process."""
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("this takes a C compiler, on Linux")
    library = folder / "before.so"
    (folder / "before.c").write_text(source)
    command = ["cc", "-shared", "-fPIC", define, "-o", str(library)]
    assert await status_of(*command, str(folder / "before.c"), "-ldl") == 0
    return {"LD_PRELOAD": str(library)}
