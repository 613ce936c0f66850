"""Why a job waits: one query over the queue, the caps and the nodes, and words for people.

Owns the codes and their texts. It decides nothing: the claim does, by the same conditions.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct

from flatrender.db import ContextDatabase, SystemTransaction

_TEXTS: dict[str, tuple[str, str]] = {
    "paused": ("رندر را نگه داشته‌اید؛ با ادامه دادن پیش می‌رود.", "Paused; resume it to go on."),
    "back_off": (
        "تلاش پیشین ناموفق بود؛ {seconds} ثانیه دیگر دوباره تلاش می‌شود.",
        "An attempt failed; the next one begins in {seconds} s.",
    ),
    "tenant_cap": (
        "سقف کارهای هم‌زمان مجموعه ({limit}) پر است.",
        "The organisation runs as much at once as it may ({limit}).",
    ),
    "user_cap": (
        "سقف کارهای هم‌زمان شما ({limit}) پر است.",
        "You run as much at once as you may ({limit}).",
    ),
    "no_node": (
        "هیچ دستگاهی با موتور {engine} روشن نیست.",
        "No machine with the engine {engine} is online.",
    ),
    "no_version": (
        "هیچ دستگاهی نسخه {version} یا تازه‌ترِ {engine} را ندارد.",
        "No machine has {engine} {version} or newer.",
    ),
    "no_font": (
        "هیچ دستگاهی این فونت را ندارد: {fonts}",
        "No machine has the font {fonts}.",
    ),
    "nodes_blocked": (
        "این کار روی همه دستگاه‌های روشن شکست خورده؛ کمی بعد دوباره تلاش می‌شود.",
        "It failed on every machine that is online; they try again a little later.",
    ),
    "farm_busy": (
        "همه دستگاه‌ها مشغول‌اند؛ جایگاه در صف: {position}، سهم: {share}٪",
        "Every machine is busy; place in line: {position}, share: {share} %.",
    ),
}

_FACTS = """
WITH moment AS (SELECT coalesce($2::timestamptz, now()) AS t)
SELECT j.id, j.step, j.engine, p.waiting, p.due, p.claimed, p.next_at, p.needs, s.weight,
       s.max_running_frames AS tenant_cap, s.max_running_frames_per_user AS user_cap,
       r.tenant AS tenant_running, r.mine AS user_running,
       n.nodes, n.new_enough, n.fit, n.free, n.missing, q.ahead, q.weights, moment.t
FROM render.render_jobs j CROSS JOIN moment
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE f.state = 'Waiting' AND NOT f.held) AS waiting,
           count(*) FILTER (WHERE f.state = 'Waiting' AND NOT f.held
                              AND f.not_before <= moment.t) AS due,
           count(*) FILTER (WHERE f.state = 'Claimed') AS claimed,
           min(f.not_before) FILTER (WHERE f.state = 'Waiting' AND NOT f.held) AS next_at,
           coalesce((array_agg(f.needs ORDER BY f.rank, f.id)
                     FILTER (WHERE f.state = 'Waiting' AND NOT f.held))[1], '{}') AS needs
    FROM render.frame_jobs f WHERE f.tenant_id = j.tenant_id AND f.job_id = j.id) p
LEFT JOIN render.tenant_shares s ON s.tenant_id = j.tenant_id
CROSS JOIN LATERAL (
    SELECT count(*) AS tenant, count(*) FILTER (WHERE f.user_id = j.user_id) AS mine
    FROM render.frame_jobs f WHERE f.tenant_id = j.tenant_id AND f.state = 'Claimed'
      AND (s.max_running_frames IS NOT NULL OR s.max_running_frames_per_user IS NOT NULL)) r
CROSS JOIN LATERAL (
    SELECT count(*) AS nodes, count(*) FILTER (WHERE o.fresh) AS new_enough,
           count(*) FILTER (WHERE o.fresh AND cardinality(o.missing) = 0) AS fit,
           count(*) FILTER (WHERE o.fresh AND cardinality(o.missing) = 0 AND NOT o.blocked) AS free,
           (array_agg(to_jsonb(o.missing) ORDER BY cardinality(o.missing))
            FILTER (WHERE o.fresh))[1] AS missing
    FROM (
        SELECT render.missing_fonts(n.id, p.needs) AS missing,
               coalesce(p.needs->>'engine' IS NULL
                        OR render.version_parts(n.engine_versions->>j.engine)
                           >= render.version_parts(p.needs->>'engine'), false) AS fresh,
               EXISTS (SELECT FROM render.job_node_blocks b
                       WHERE b.job_id = j.id AND b.node_id = n.id
                         AND (b.until IS NULL OR b.until > moment.t)) AS blocked
        FROM render.nodes n
        WHERE n.deleted_at IS NULL AND j.engine = ANY (n.engines)
          AND n.status IN ('Starting', 'Idle', 'Busy')
          AND (n.only_tenant_id IS NULL OR n.only_tenant_id = j.tenant_id)
          AND (n.rest_until IS NULL OR n.rest_until <= moment.t)) o) n
CROSS JOIN LATERAL (
    SELECT (SELECT count(*) FROM render.queue_lanes a
            WHERE a.engine = j.engine AND a.tenant_id = j.tenant_id AND a.active
              AND a.received - a.head_start < coalesce((
                  SELECT min(l.received - l.head_start) FROM render.queue_lanes l
                  WHERE l.engine = j.engine AND l.tenant_id = j.tenant_id
                    AND l.user_id = j.user_id AND l.active), 0)) AS ahead,
           (SELECT sum(coalesce(w.weight, 1)) FROM render.queue_tenants t
            LEFT JOIN render.tenant_shares w ON w.tenant_id = t.tenant_id
            WHERE t.engine = j.engine AND (t.active OR t.tenant_id = j.tenant_id)) AS weights) q
WHERE j.id = ANY ($1) AND j.step NOT IN ('Done', 'Failed', 'Cancelled')
"""


class Why(Struct, frozen=True, kw_only=True):
    """Why a job waits. ``code`` is stable."""

    code: str
    message_fa: str
    message_en: str
    until: datetime | None = None
    fonts: list[str] = []


class _Fetches(Protocol):
    async def fetch(self, sql: str, *args: object) -> list[Any]: ...


async def explain(
    work: SystemTransaction, job_id: UUID, *, now: datetime | None = None
) -> Why | None:
    """Return why a job waits; None when it does not wait or is no more."""
    return (await _explain(work, [job_id], now)).get(job_id)


async def explain_many(database: ContextDatabase, job_ids: Sequence[UUID]) -> dict[UUID, Why]:
    """Return why each of these jobs waits, those that do."""
    if not job_ids:
        return {}
    async with database.system("why jobs wait") as work:
        return await _explain(work, job_ids, None)


async def _explain(
    work: _Fetches, job_ids: Sequence[UUID], now: datetime | None
) -> dict[UUID, Why]:
    rows = await work.fetch(_FACTS, list(job_ids), now)
    found = {row["id"]: _why(row) for row in rows}
    return {job_id: why for job_id, why in found.items() if why is not None}


def _why(row: Any) -> Why | None:
    if row["step"] == "Paused":
        return _say("paused")
    if row["claimed"] or not row["waiting"]:
        return None
    needs: dict[str, Any] = row["needs"]
    engine = row["engine"]
    if not row["due"]:
        seconds = max(1, round((row["next_at"] - row["t"]).total_seconds()))
        return _say("back_off", until=row["next_at"], seconds=seconds)
    if row["tenant_cap"] is not None and row["tenant_running"] >= row["tenant_cap"]:
        return _say("tenant_cap", limit=row["tenant_cap"])
    if row["user_cap"] is not None and row["user_running"] >= row["user_cap"]:
        return _say("user_cap", limit=row["user_cap"])
    if not row["nodes"]:
        return _say("no_node", engine=engine)
    if not row["new_enough"]:
        return _say("no_version", engine=engine, version=needs.get("engine", ""))
    if not row["fit"]:
        fonts = list(row["missing"] or [])
        return _say("no_font", font_list=fonts, fonts="، ".join(fonts))
    if not row["free"]:
        return _say("nodes_blocked")
    share = 100 * (row["weight"] or 1.0) / (row["weights"] or row["weight"] or 1.0)
    return _say("farm_busy", position=row["ahead"] + 1, share=round(share))


def _say(
    code: str,
    *,
    until: datetime | None = None,
    font_list: Sequence[str] = (),
    **values: object,
) -> Why:
    fa, en = _TEXTS[code]
    return Why(
        code=code,
        message_fa=fa.format(**values),
        message_en=en.format(**values),
        until=until,
        fonts=list(font_list),
    )
