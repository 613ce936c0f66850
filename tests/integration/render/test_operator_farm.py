"""``flatrender farm`` against a real farm, and the metrics that scrapes bring up to date."""

import asyncio
import os
import sys
from typing import Any
from uuid import uuid4

import pytest

from flatrender.observability import metrics
from flatrender_render.farm.gauges import METRICS


@pytest.fixture
async def farm_command(island: Any) -> Any:
    """Run ``flatrender farm`` for the island."""

    async def run(*words: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "flatrender", "farm", *words,
            env={**os.environ, **island.environment},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode()

    return run


async def node(island: Any, **columns: Any) -> str:
    name = f"cli-{uuid4().hex[:8]}"
    values = {"name": name, "status": "Idle", "slots": 4, **columns}
    marks = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await island.lot.platform.sql(
        f"INSERT INTO render.nodes ({', '.join(values)}) VALUES ({marks})", *values.values()
    )
    return name


async def test_an_operator_sees_and_drains_a_node(island: Any, farm_command: Any) -> None:
    name = await node(island)
    code, text = await farm_command("status")
    assert code == 0, text
    assert name in text
    assert max(map(len, text.splitlines())) <= 80
    assert await farm_command("drain", name.upper(), "--reason", "fan") == (
        0,
        f"{name}: Draining\n",
    )
    rows = await island.lot.platform.sql(
        "SELECT c.reason, c.requested_by FROM render.node_commands c "
        "JOIN render.nodes n ON n.id = c.node_id WHERE n.name = $1",
        name,
    )
    assert rows[0]["reason"].startswith("fan (command line, ")
    assert await farm_command("release", name) == (0, f"{name}: Idle\n")
    code, text = await farm_command("acts", name.upper())
    assert code == 0, text
    _, released, _, drained, *said = text.splitlines()
    assert released.split()[2:] == ["node.release", name, "command", "line"]
    assert drained.split()[2:] == ["node.drain", name, "command", "line"]
    assert said[0].startswith("  status Idle > Draining; fan (command line, ")
    assert max(map(len, text.splitlines())) <= 80
    assert await farm_command("acts", name, "--act", "node.remove") == (0, "nothing is recorded\n")
    code, text = await farm_command("top", "--count", "1")
    assert code == 0, text
    assert name in text


async def test_what_is_not_there_is_said(farm_command: Any) -> None:
    for words in (("drain", "nobody"), ("why", str(uuid4()))):
        code, text = await farm_command(*words)
        assert code == 1
        assert "no " in text
    code, text = await farm_command("why", "not-an-id")
    assert code == 2


async def test_crashes_and_why_a_job_waits(island: Any, farm_command: Any) -> None:
    name = await node(island)
    await island.lot.platform.sql(
        "INSERT INTO render.node_crashes (node_id, kind, classification, message) "
        "SELECT id, 'worker_crashed', 'node', 'signal 9' FROM render.nodes WHERE name = $1",
        name,
    )
    code, text = await farm_command("crashes")
    assert code == 0, text
    assert name in text
    customer = await island.lot.customer()
    job = await customer.submit()
    code, text = await farm_command("why", job["id"])
    assert code == 0, text
    assert "Queued" in text
    await customer.call("POST", f"/v1/renders/{job['id']}/cancel")
    _, text = await farm_command("why", job["id"])
    assert "Cancelled" in text
    assert "It is over." in text


async def test_a_scrape_tells_the_farm_as_the_database_has_it(
    island: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(METRICS, "_asked", float("inf"))  # reading them refreshes nothing now
    database = island.lot.platform.runtime.plugins["render"].context.db
    customer = await island.lot.customer()
    job = await customer.submit()
    await METRICS.refresh(database)
    await node(island, status="Quarantined")
    busy = await node(island, status="Busy", slots=8, busy_slots=8)
    platform = island.lot.platform
    await platform.sql(
        "WITH f AS (SELECT id, job_id, tenant_id FROM render.frame_jobs LIMIT 1) "
        "INSERT INTO render.frame_attempts (tenant_id, job_id, frame_job_id, epoch, attempt, "
        "node_id, started_at, finished_at, outcome, error_class) "
        "SELECT f.tenant_id, f.job_id, f.id, e, e, n.id, now() - interval '10 seconds', "
        "now() - interval '2 seconds', o, 'node' "
        "FROM f, render.nodes n, (VALUES (901, 'Failed'), (902, 'Done')) v(e, o) WHERE n.name = $1",
        busy,
    )
    assert (before := _read())["flatrender_farm_frame_jobs_waiting"] >= 1
    (row,) = await platform.sql("SELECT now() - interval '4 seconds' AS t")
    METRICS._seen = row["t"]
    await METRICS.refresh(database)
    after = _read()
    assert after['flatrender_farm_nodes{status="Quarantined"}'] >= 1
    assert after['flatrender_farm_slots{state="busy"}'] >= 8
    assert 0 < after["flatrender_farm_utilisation_ratio"] <= 1
    wasted = "flatrender_farm_wasted_seconds_total"
    assert after[wasted] - before[wasted] == pytest.approx(8, abs=0.5)
    retries = 'flatrender_farm_retries_total{class="node"}'
    assert after[retries] - before.get(retries, 0) == 1
    once = after[retries]
    await METRICS.refresh(database)
    assert _read()[retries] == once
    await customer.call("POST", f"/v1/renders/{job['id']}/cancel")


def _read() -> dict[str, float]:
    lines = metrics.render().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line.startswith("flatrender_farm"))
    return {name: float(value) for name, value in pairs}


async def test_an_operator_sees_and_changes_a_share(island: Any, farm_command: Any) -> None:
    platform = island.lot.platform
    tenant, _ = await platform.tenant()
    slug = (await platform.sql("SELECT slug FROM identity.tenants WHERE id = $1", tenant))[0][
        "slug"
    ]
    assert (await farm_command("shares", slug))[1].splitlines()[1].split() == [
        slug, "1", "-", "-", "0", "no",
    ]  # fmt: skip
    await farm_command("shares", slug, "--weight", "2.5", "--cap", "40", "--reason", "contract")
    code, text = await farm_command("shares", str(tenant), "--cap", "none", "--user-cap", "3")
    assert code == 0, text
    assert text.splitlines()[1].split() == [slug, "2.5", "-", "3", "0", "no"]
    code, text = await farm_command("shares")
    assert slug in text
    assert max(map(len, text.splitlines())) <= 80
    rows = await platform.sql(
        "SELECT weight, max_running_frames AS cap, changed_by, reason "
        "FROM render.tenant_share_changes WHERE tenant_id = $1 ORDER BY created_at",
        tenant,
    )
    assert [tuple(row) for row in rows] == [
        (2.5, 40, None, "contract (command line)"), (2.5, None, None, "(command line)"),
    ]  # fmt: skip
    assert (await farm_command("shares", "no-such-tenant"))[0] == 1
    assert (await farm_command("shares", "--weight", "2"))[0] == 2


async def test_an_operator_sees_what_lies_on_the_nodes(island: Any, farm_command: Any) -> None:
    name = await node(island, engines=["aerender"])
    family = f"Fam{uuid4().hex[:8]}"
    digest = uuid4().hex * 2
    await island.lot.platform.sql(
        "INSERT INTO render.node_template_cache (node_id, package_sha256, size_bytes, hits) "
        "SELECT id, $2, 3145728, 7 FROM render.nodes WHERE name = $1",
        name,
        digest,
    )
    await island.lot.platform.sql(
        "INSERT INTO render.font_requests (family, sha256, size_bytes, object_key, state) "
        "VALUES ($1, $2, 1, 'fonts/x.ttf', 'Installing')",
        family,
        digest,
    )
    code, text = await farm_command("cache", name)
    assert code == 0, text
    assert text.splitlines()[1].split()[:4] == [name, digest[:16], "3.0", "7"]
    code, text = await farm_command("fonts", "--lacking")
    assert code == 0, text
    lines = text.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.startswith(family)]
    assert lines[at].split()[:3] == [family, "Regular", digest[:12]]
    assert any(line.split()[:2] == [name, "Missing"] for line in lines[at:])
    assert max(map(len, lines)) <= 80
    assert await farm_command("cache", "nobody") == (0, "no template lies on a node\n")
