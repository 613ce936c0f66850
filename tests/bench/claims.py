"""Claims of the render farm: how many a second while few or very many frame jobs wait.

The real claim (``farm/claims.py``) under the render context's system role, each in its own
committed transaction on a durable PostgreSQL, by eight claimers at once, each with a connection
of its own as nodes have (their commits share writes of the log), one frame job at a time and as
nodes with 4, 8 and 16 free slots take them (the slots of a machine ask together, for up to 64 in
one call: ``farm/together.py``). The jobs are those of twenty tenants, with ids that rise with
time as the farm's do. Every claim is given back by the real ``release``, so that rows and indexes
age as they do in a farm. The yardstick is one row updated by its key in a transaction of its own,
each claimer its own row.
"""

import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

from msgspec.structs import replace
from tests.bench.stack import database_of, heading, servers, superuser, table

from flatrender.clock import SystemClock
from flatrender.db import ContextDatabase
from flatrender.testing.rounds import medians, ratio, turns
from flatrender_render.farm import claims

_WAITING = {"1 k": 1_000, "100 k": 100_000, "300 k": 300_000, "1 M": 1_000_000}
_CLAIMERS = 8
_CALLS = (1, 4, 8, 16)  # frame jobs asked for with one call: the free slots of a machine
_PIECES = 20  # frame jobs of one job
_TENANTS = 20

_JOBS = """
INSERT INTO render.render_jobs (id, tenant_id, user_id, saved_project_id, engine,
    package_object_key, package_sha256, composition, composition_sha256, resolution, aspect,
    width, height, fps, duration, watermark, total_frames, reservation_state)
SELECT (lpad(to_hex($4::int + n), 12, '0') || right(md5(n::text), 20))::uuid,
    ($1::uuid[])[1 + n % cardinality($1::uuid[])],
    gen_random_uuid(), gen_random_uuid(), $2, 'k', repeat('a', 64),
    '{"width": 640, "height": 360, "fps": 30, "aspect": "16:9", "direction": "rtl",
      "scenes": [{"id": "s", "scene_key": "one", "animation": "a", "duration": 4.0}]}',
    repeat('a', 64), '360p', '16:9', 640, 360, 30, 4, true, 1200, 'Reserved'
FROM generate_series(1, $3::int) n
"""
_FRAME_JOBS = """
INSERT INTO render.frame_jobs (id, tenant_id, job_id, kind, index, first_frame, last_frame, engine)
SELECT (left(id::text, 14) || lpad(to_hex(n), 4, '0') || right(gen_random_uuid()::text, 18))::uuid,
    tenant_id, id, 'video', n, n * 60, n * 60 + 59, engine
FROM render.render_jobs, generate_series(0, $2::int - 1) n WHERE engine = $1
ORDER BY id, n
"""
#: As in ``render.claim_frame_jobs``, for one lane.
_SEARCH = """
SELECT f.id FROM render.frame_jobs f
WHERE f.tenant_id = $1 AND f.engine = $2 AND f.user_id = $3 AND f.needs_key = ''
  AND f.state = 'Waiting' AND NOT f.held AND f.not_before <= now()
  AND NOT EXISTS (SELECT FROM render.job_node_blocks b
                  WHERE b.job_id = f.job_id AND b.node_id = $4
                    AND (b.until IS NULL OR b.until > now()))
ORDER BY f.tenant_id, f.engine, f.user_id, f.needs_key, f.rank, f.id LIMIT 1
"""
_UPDATE = "update"
_TOUCH = "UPDATE render.nodes SET name = name WHERE id = $1"


def run(*, quick: bool, most: int = 300_000) -> None:
    """Measure and print, with queues of up to ``most`` frame jobs."""
    waiting = {name: rows for name, rows in _WAITING.items() if rows <= most}
    with servers() as environment:
        asyncio.run(_measure(environment, waiting, rounds=3 if quick else 7, each=48))


async def _measure(
    environment: dict[str, str], queues: dict[str, int], *, rounds: int, each: int
) -> None:
    settings = replace(database_of(environment), system_pool_size=_CLAIMERS)
    database = ContextDatabase(settings, context="render", schema="render", clock=SystemClock())
    owner = await superuser(settings)
    try:
        nodes = [uuid4() for _ in range(_CLAIMERS)]
        for node in nodes:
            await owner.execute(
                "INSERT INTO render.nodes (id, name, slots) VALUES ($1, $2, $3)",
                node,
                f"bench-{node}",
                _CALLS[-1],
            )
        tenants, made = [uuid4() for _ in range(_TENANTS)], 0
        for name, waiting in queues.items():
            await owner.execute(_JOBS, tenants, name, waiting // _PIECES, made)
            made += waiting // _PIECES
            # Otherwise the triggers' remembered plans are those for the few jobs of before.
            await owner.execute("ANALYZE render.render_jobs")
            await owner.execute(_FRAME_JOBS, name, _PIECES)
        await owner.execute("VACUUM ANALYZE render.frame_jobs")
        await owner.execute("VACUUM ANALYZE render.render_jobs")
        seen: list[dict[str, float]] = []
        contestants = {_UPDATE: ("", 0)} | {
            f"{name} x {most}": (name, most) for name in queues for most in _CALLS
        }
        for order in turns([*contestants], rounds):
            seen.append({c: await _round(database, *contestants[c], nodes, each) for c in order})
        heading(
            f"Claims: {_CLAIMERS} claimers, {_TENANTS} tenants, one transaction a call "
            f"({rounds} rounds of {_CLAIMERS * each} claims, medians)"
        )
        rates = medians(seen)
        smallest = next(iter(queues))
        table(
            ["waiting frame jobs", "a call", "claims/s", "of the smallest", "of yardstick"],
            [["one-row update by key (the yardstick)", "", f"{rates[_UPDATE]:,.0f}", "", "1.00"]]
            + [
                [
                    name,
                    str(most),
                    f"{rates[key]:,.0f}",
                    f"{ratio(seen, key, f'{smallest} x {most}'):.2f}",
                    f"{ratio(seen, key, _UPDATE):.2f}",
                ]
                for key, (name, most) in contestants.items()
                if most
            ],
        )
        for name in queues:
            print(f"\nplan of the claim with {name} waiting:")
            for line in await _plan(owner, name, nodes[0]):
                print(f"  {line}")
    finally:
        await owner.close()
        await database.close()


async def _round(
    database: ContextDatabase, name: str, most: int, nodes: list[UUID], each: int
) -> float:
    """Return claims per second of all claimers together, ``most`` with each call."""
    taken: list[claims.Claim] = []

    async def claimer(node: UUID) -> None:
        for _ in range(each // max(1, most)):
            if not most:
                await database.system_fetch("bench", _TOUCH, node)
                continue
            found = await claims.take_many(database, engine=name, node_id=node, most=most)
            if not found:
                raise SystemExit(f"nothing to claim with {name} waiting")
            taken.extend(found)

    begun = time.perf_counter()
    await asyncio.gather(*(claimer(node) for node in nodes))
    seconds = time.perf_counter() - begun
    if len({claim.id for claim in taken}) != len(taken):
        raise SystemExit("a frame job was claimed twice")
    for claim in taken:
        async with database.system("bench") as work:
            await claims.release(work, frame_job_id=claim.id, epoch=claim.epoch)
    return (len(taken) or len(nodes) * each) / seconds


async def _plan(owner: Any, engine: str, node: UUID) -> list[str]:
    """Return the plan of the search within the claim, as it ran."""
    lane = await owner.fetchrow(
        "SELECT tenant_id, user_id FROM render.queue_lanes WHERE engine = $1 LIMIT 1", engine
    )
    rows = await owner.fetch(
        "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) " + _SEARCH, lane[0], engine, lane[1], node
    )
    marks = ("Scan using", "Seq Scan", "Sort", "Planning Time", "Execution Time")
    texts = [str(row[0]).strip() for row in rows]
    lines = [text for text in texts if any(mark in text for mark in marks)]
    lines.append(next(text for text in texts if text.startswith("Buffers")) + " in all")
    return lines
