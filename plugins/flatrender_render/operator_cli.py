"""``flatrender farm``: the farm from the command line, for its operator.

Exit codes: 0 done, 1 no such node, job or tenant, 2 misuse. Tables fit 80 columns; a pipe gets
the same lines without colour. Owns no rule: acts go through the administrators' own services.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

from flatrender.contracts.identity import TenantDirectory
from flatrender.plugin import PluginContext

if TYPE_CHECKING:
    from flatrender_render.services.tenant_shares import TenantShareView

T = TypeVar("T")

_COLOURS = {
    "Busy": "green", "Idle": "cyan", "Draining": "yellow", "Offline": "bright_black",
    "Quarantined": "red", "Crashed": "red", "resting": "yellow",
}  # fmt: skip

_NODES = """
SELECT name, kind, status, slots, busy_slots, frames_done, consecutive_failures, rest_until,
       quarantine_reason, last_heartbeat_at, array_to_string(engines, ',') AS engines, now() AS now
FROM render.nodes WHERE deleted_at IS NULL AND ($1 OR status <> 'Offline')
ORDER BY status <> 'Busy', lower(name) LIMIT 500
"""
_QUEUE = """
SELECT count(*) FILTER (WHERE state = 'Claimed') AS running,
       count(*) FILTER (WHERE state = 'Waiting' AND NOT held AND not_before <= now()) AS due,
       count(*) FILTER (WHERE state = 'Waiting' AND NOT held AND not_before > now()) AS later,
       coalesce(extract(epoch FROM now() - min(not_before) FILTER (
           WHERE state = 'Waiting' AND NOT held AND not_before <= now())), 0)::float8 AS age
FROM render.frame_jobs WHERE state IN ('Waiting', 'Claimed')
"""
_RUNNING = """
SELECT n.name, f.job_id, f.kind, f.first_frame, f.last_frame, f.done_frames,
       extract(epoch FROM now() - f.claimed_at)::float8 AS seconds
FROM render.frame_jobs f JOIN render.nodes n ON n.id = f.node_id
WHERE f.state = 'Claimed' ORDER BY f.claimed_at LIMIT $1
"""
_FIND = """
SELECT id FROM render.nodes
WHERE deleted_at IS NULL AND (lower(name) = lower($1) OR id::text = lower($1))
"""
_JOB = """
SELECT j.step, count(f.id) AS pieces, count(f.id) FILTER (WHERE f.state = 'Done') AS done
FROM render.render_jobs j LEFT JOIN render.frame_jobs f ON f.job_id = j.id
WHERE j.id = $1 GROUP BY j.id
"""


@click.group()
def farm() -> None:
    """See the render farm and act on its nodes."""


@farm.command()
@click.option("--all", "everything", is_flag=True, help="Nodes that are offline as well.")
def status(everything: bool) -> None:
    """Show the queue and the nodes."""

    async def run(context: PluginContext) -> list[str]:
        return await picture(context, everything=everything)

    print_lines(with_context(run))


@farm.command()
@click.option("--every", type=click.FloatRange(0.5, 3600), default=2.0, show_default=True,
              help="Seconds between two looks.")  # fmt: skip
@click.option("--count", type=click.IntRange(1), help="Stop after so many looks.")
def top(every: float, count: int | None) -> None:
    """Show the farm at work, again and again, until Ctrl-C."""

    async def run(context: PluginContext) -> None:
        looks = 0
        while True:
            lines = await picture(context, everything=False)
            lines += ["", *running_table(await context.db.system_fetch("farm top", _RUNNING, 20))]
            click.clear()  # does nothing where the output is no terminal
            print_lines(lines)
            looks += 1
            if count is not None and looks >= count:
                return
            await asyncio.sleep(every)

    with_context(run)


@farm.command()
@click.argument("job_id", type=click.UUID, metavar="JOB")
def why(job_id: UUID) -> None:
    """Say why a job waits."""
    from flatrender_render.domain import TERMINAL
    from flatrender_render.farm import why as reasons

    async def run(context: PluginContext) -> str:
        rows = await context.db.system_fetch("a job", _JOB, job_id)
        if not rows:
            raise click.ClickException(f"no job {job_id}")
        async with context.db.system("why a job waits") as work:
            found = await reasons.explain(work, job_id)
        row = rows[0]
        text = f"{row['step']}, {row['done']} of {row['pieces']} pieces done. "
        if found:
            return f"{text}{found.code}: {found.message_en}"
        return text + ("It is over." if row["step"] in TERMINAL else "It does not wait.")

    from flatrender.cli.words import say

    say(with_context(run))


@farm.command()
@click.argument("node")
@click.option("--reason", default="", help="Kept with the act.")
def drain(node: str, reason: str) -> None:
    """Give a node (name or id) no more work."""
    click.echo(_act(node, "drain", reason))


@farm.command()
@click.argument("node")
@click.option("--reason", default="", help="Kept with the act.")
def release(node: str, reason: str) -> None:
    """End a node's drain, rest or quarantine."""
    click.echo(_act(node, "release", reason))


@farm.command()
@click.option("--all", "everything", is_flag=True, help="Acknowledged ones as well.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
def crashes(everything: bool, limit: int) -> None:
    """Show crash reports, newest first."""
    from flatrender.http.pages import PageParams
    from flatrender_render.services.fleet import FleetService

    async def run(context: PluginContext) -> list[str]:
        found = await context.get(FleetService).crashes(
            PageParams(page_size=limit), acknowledged=None if everything else False
        )
        lines = [
            columns((16, "WHEN"), (20, "NODE"), (9, "CLASS"), (16, "KIND"), (15, "MESSAGE"))
            for _ in found.data[:1]
        ]
        lines += [
            columns(
                (16, f"{one.occurred_at:%Y-%m-%d %H:%M}"),
                (20, one.node_name),
                (9, one.classification),
                (16, one.kind),
                (15, one.message),
            )
            for one in found.data
        ]
        return lines or ["no crashes"]

    print_lines(with_context(run))


class _CapType(click.ParamType[int | None]):
    """Pieces at once, or ``none`` for no cap."""

    name = "number|none"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        if value is None or str(value).lower() == "none":
            return None
        number: int = click.IntRange(1, 1_000_000).convert(value, param, ctx)
        return number


@farm.command()
@click.argument("tenant", required=False)
@click.option("--weight", type=click.FloatRange(0.01, 1000), help="Against the other tenants' 1.")
@click.option("--cap", type=_CapType(), default=None, help="Pieces of the tenant at once.")
@click.option("--user-cap", type=_CapType(), default=None, help="Pieces of one person at once.")
@click.option("--reason", default="", help="Kept with a change.")
@click.option("--page", type=click.IntRange(1, 10_000), default=1, show_default=True)
@click.pass_context
def shares(  # noqa: PLR0917 - click calls it by keyword
    ctx: click.Context,
    tenant: str | None,
    weight: float | None,
    cap: int | None,
    user_cap: int | None,
    reason: str,
    page: int,
) -> None:
    """Show how tenants share the farm, or change the share of TENANT (slug or id).

    What no option names stays as it is.
    """
    given = {
        name: value
        for name, option, value in (
            ("weight", "weight", weight),
            ("max_running_frames", "cap", cap),
            ("max_running_frames_per_user", "user_cap", user_cap),
        )
        if ctx.get_parameter_source(option) is click.core.ParameterSource.COMMANDLINE
    }
    if given and tenant is None:
        raise click.UsageError("whose share? name a tenant")

    async def run(context: PluginContext) -> list[str]:
        from flatrender.http.pages import PageParams
        from flatrender_render.services.tenant_shares import TenantShareService

        if tenant is None:
            found = await context.get(TenantShareService).shares(PageParams(page=page))
            lines = share_table(found.data)
            rest = found.meta.total_pages - page
            return lines + ([f"more with --page {page + 1}"] if rest > 0 else [])
        return share_table([await _share(context, tenant, given, reason)])

    print_lines(with_context(run))


async def _share(
    context: PluginContext, tenant: str, given: dict[str, Any], reason: str
) -> "TenantShareView":
    """Return a tenant's share after the change, if any; the rest of it stays."""
    from flatrender_render.services.tenant_shares import TenantShareBody, TenantShareService

    directory = context.port(TenantDirectory)
    try:
        info = await directory.tenant(UUID(tenant))
    except ValueError:
        info = await directory.by_slug(tenant)
    if info is None:
        raise click.ClickException(f"no tenant {tenant}")
    service = context.get(TenantShareService)
    share = (await service.share(info.tenant_id)).share
    if given:
        names = ("weight", "max_running_frames", "max_running_frames_per_user")
        kept = {name: getattr(share, name) for name in names}
        said = f"{reason} (command line)".strip()
        body = TenantShareBody(reason=said, **{**kept, **given})
        share = (await service.put(info.tenant_id, body, by=None)).share
    return share


def share_table(shares: Sequence["TenantShareView"]) -> list[str]:
    """Return a table of tenants' shares."""
    if not shares:
        return ["no tenant has a share, and none has rendered yet"]
    lines = [columns((36, "TENANT"), (8, "WEIGHT"), (8, "CAP"), (8, "USERCAP"), (8, "RUNNING"),
                  (5, "QUEUE"))]  # fmt: skip
    for one in shares:
        caps = (one.max_running_frames, one.max_running_frames_per_user)
        total, each = ("-" if cap is None else f"{cap:,}" for cap in caps)
        lines.append(
            columns(
                (36, one.slug or str(one.tenant_id)),
                (8, f"{one.weight:g}"),
                (8, total),
                (8, each),
                (8, f"{one.running_frames:,}"),
                (5, "yes" if one.waiting else "no"),
            )
        )
    return lines


async def picture(context: PluginContext, *, everything: bool) -> list[str]:
    """Return the lines of ``farm status``."""
    (queue,) = await context.db.system_fetch("farm status", _QUEUE)
    nodes = await context.db.system_fetch("farm status", _NODES, everything)
    return [queue_line(queue), "", *node_table(nodes)]


def queue_line(queue: Any) -> str:
    """Return how the queue stands, in one line."""
    line = f"{queue['running']:,} running, {queue['due']:,} waiting, {queue['later']:,} later"
    return line + (f", oldest waits {span(queue['age'])}" if queue["due"] else "")


def node_table(nodes: Sequence[Any]) -> list[str]:
    """Return a table of nodes."""
    if not nodes:
        return ["no node is online: start a worker of the render queue, or a node (docs/nodes.md)"]
    lines = [
        columns(
            (26, "NODE"),
            (11, "STATUS"),
            (7, "SLOTS"),
            (9, "FRAMES"),
            (5, "FAIL"),
            (6, "HEARD"),
            (10, "ENGINES"),
        )
    ]
    busy = sum(node["busy_slots"] for node in nodes)
    slots = sum(node["slots"] for node in nodes)
    for node in nodes:
        now = node["now"]
        heard = node["last_heartbeat_at"]
        resting = node["rest_until"] is not None and node["rest_until"] > now
        state = node["status"]
        if resting and state in {"Idle", "Busy"}:
            state = "resting"
        lines.append(
            columns(
                (26, node["name"]),
                (11, state),
                (7, f"{node['busy_slots']}/{node['slots']}"),
                (9, f"{node['frames_done']:,}"),
                (5, str(node["consecutive_failures"])),
                (6, span((now - heard).total_seconds()) if heard else "-"),
                (10, node["engines"]),
                colour=_COLOURS.get(state),
            )
        )
        if node["quarantine_reason"] and state == "Quarantined":
            lines.append(f"  {plain(node['quarantine_reason'])}"[:80])
    share = f"{busy / slots:.0%}" if slots else "-"
    count = f"{len(nodes)} node{'s' * (len(nodes) != 1)}"
    return [*lines, "", f"{count}, {busy} of {slots} slots busy ({share})"]


def running_table(rows: Sequence[Any]) -> list[str]:
    """Return a table of the pieces being worked on."""
    if not rows:
        return ["nothing runs"]
    lines = [columns((26, "NODE"), (36, "JOB"), (9, "PIECE"), (6, "FOR"))]
    for row in rows:
        frames = max(1, row["last_frame"] - row["first_frame"] + 1)
        piece = f"{row['done_frames']}/{frames}" if row["kind"] == "video" else row["kind"]
        lines.append(
            columns(
                (26, row["name"]), (36, str(row["job_id"])), (9, piece), (6, span(row["seconds"]))
            )
        )
    return lines


def span(seconds: float) -> str:
    """Return a length of time in at most four characters."""
    for limit, unit, size in ((100, "s", 1), (6000, "m", 60), (360_000, "h", 3600)):
        if seconds < limit:
            return f"{max(0, seconds) / size:.0f}{unit}"
    return f"{min(999, seconds / 86_400):.0f}d"


def columns(*cells: tuple[int, str], colour: str | None = None) -> str:
    """Return cells in columns; what is too long ends in an ellipsis."""
    parts = [
        (text if len(text) <= width else text[: width - 1] + "…").ljust(width)
        for width, text in ((width, plain(text)) for width, text in cells)
    ]
    if colour:
        parts[1] = click.style(parts[1], fg=colour)
    return " ".join(parts).rstrip()


def plain(text: str) -> str:
    """Return one line that cannot steer a terminal: what machines report is not trusted."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _act(name: str, act: Any, reason: str) -> str:
    from flatrender_render.services.fleet import FleetService

    async def run(context: PluginContext) -> str:
        rows = await context.db.system_fetch("node by name", _FIND, name)
        if not rows:
            raise click.ClickException(f"no node {name}")
        said = f"{reason} (command line, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC)".strip()
        done = await context.get(FleetService).act(rows[0]["id"], act, by=None, reason=said)
        return f"{done.node.name}: {done.node.status}"

    return with_context(run)


def print_lines(lines: Sequence[str]) -> None:
    """Print a table."""
    for line in lines:
        click.echo(line)


def with_context(run: Callable[[PluginContext], Awaitable[T]]) -> T:
    """Run something with render's context, as a command does."""
    from flatrender.runtime import Runtime
    from flatrender.settings import load_settings

    async def inside() -> T:
        async with Runtime(load_settings()) as runtime:
            return await run(runtime.plugins["render"].context)

    return asyncio.run(inside())
