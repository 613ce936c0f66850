"""Samples of how nodes are, at most one a minute, and the charts made of them.

Heartbeats bring them; a node that says nothing leaves a gap, which is what a chart should show.
The table's months are made and dropped by the partitions' own schedule.
"""

import os
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import Struct

from flatrender.db import SystemTransaction

SAMPLE_SECONDS = 60.0

_SAMPLE = """
INSERT INTO render.node_health_logs (node_id, status, busy_slots, load_average, memory_used_bytes,
    memory_total_bytes, disk_free_bytes, disk_total_bytes, frames_done)
SELECT n.id, n.status, n.busy_slots, $2, $3, $4, coalesce($5, n.disk_free_bytes),
       coalesce($6, n.disk_total_bytes), n.frames_done
FROM render.nodes n
WHERE n.id = $1 AND NOT EXISTS (
    SELECT FROM render.node_health_logs h
    WHERE h.node_id = $1 AND h.recorded_at > now() - make_interval(secs => $7))
"""
CHART = """
SELECT date_bin(make_interval(secs => $2), recorded_at, timestamptz 'epoch') AS at,
       count(*) AS samples, avg(busy_slots) AS busy_slots, avg(load_average) AS load_average,
       max(memory_used_bytes) AS memory_used_bytes, max(memory_total_bytes) AS memory_total_bytes,
       min(disk_free_bytes) AS disk_free_bytes, max(disk_total_bytes) AS disk_total_bytes,
       max(frames_done) - min(frames_done) AS frames,
       (array_agg(status ORDER BY recorded_at DESC))[1] AS status
FROM render.node_health_logs
WHERE node_id = $1 AND recorded_at > now() - make_interval(secs => $3)
GROUP BY 1 ORDER BY 1
"""


class Vitals(Struct, frozen=True, kw_only=True):
    """What a machine says of itself. Bytes; None where the system does not tell."""

    load_average: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    disk_free_bytes: int | None = None
    disk_total_bytes: int | None = None


async def sample(
    work: SystemTransaction, node_id: UUID, vitals: Vitals, *, every: float = SAMPLE_SECONDS
) -> None:
    """Keep a sample of a node, unless there is one of the last ``every`` seconds."""
    await work.execute(
        _SAMPLE,
        node_id,
        vitals.load_average,
        vitals.memory_used_bytes,
        vitals.memory_total_bytes,
        vitals.disk_free_bytes,
        vitals.disk_total_bytes,
        every,
    )


def vitals_here(folder: Path) -> Vitals:
    """Return the vitals of this machine; ``folder`` chooses the disk. Blocks for a moment."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    disk = shutil.disk_usage(place)
    total, used = _memory()
    return Vitals(
        load_average=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        memory_used_bytes=used,
        memory_total_bytes=total,
        disk_free_bytes=disk.free,
        disk_total_bytes=disk.total,
    )


def _memory() -> tuple[int | None, int | None]:
    """Return total and used memory: Linux's own words (proc(5), MemAvailable)."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None, None
    kib: dict[str, Any] = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    try:
        total = int(kib["MemTotal"].split()[0]) * 1024
        return total, total - int(kib["MemAvailable"].split()[0]) * 1024
    except (KeyError, ValueError, IndexError):
        return None, None
