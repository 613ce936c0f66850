"""``flatrender simulate``: how a farm of this size would do.

Exit codes: 0 everything done once, 1 something was lost or doubled, 2 misuse.
"""

import asyncio
import sys
from typing import Any

import click

from flatrender_render.simulation.plan import Plan
from flatrender_render.simulation.tally import Tally

_DEFAULTS = Plan()


@click.command("simulate")
@click.option("--nodes", type=click.IntRange(1, 100_000), default=_DEFAULTS.nodes)
@click.option("--frame-jobs", type=click.IntRange(1, 50_000_000), default=_DEFAULTS.frame_jobs)
@click.option("--tenants", type=click.IntRange(1, 10_000), default=_DEFAULTS.tenants)
@click.option("--failures-per-hour", type=click.FloatRange(0, 100), default=0.01,
              help="Of one node.")  # fmt: skip
@click.option("--arrivals", type=click.FloatRange(0), default=0.0,
              help="Seconds over which jobs come in; 0: all wait at the start.")  # fmt: skip
@click.option("--pieces-per-job", type=click.IntRange(1, 1000), default=_DEFAULTS.pieces_per_job)
@click.option("--chunk-seconds", type=click.FloatRange(0.1), default=_DEFAULTS.median_seconds,
              help="Median time of a frame job.")  # fmt: skip
@click.option("--seed", type=int, default=_DEFAULTS.seed)
@click.option("--database-url", help="An empty, migrated database; default: one of its own.")
@click.option("--all-tenants", is_flag=True, help="Print the waits of each tenant.")
def simulate(database_url: str | None, all_tenants: bool, **given: Any) -> None:
    """Run the farm's real SQL against nodes and jobs in simulated time."""
    from flatrender_render.simulation.load import FarmInUse
    from flatrender_render.simulation.run import run_simulation

    given["median_seconds"] = given.pop("chunk_seconds")
    plan = Plan(**given)
    try:
        tally, faults = asyncio.run(_with_bar(run_simulation, plan, database_url))
    except FarmInUse as error:
        raise click.UsageError(str(error)) from error
    for line in report(plan, tally, all_tenants=all_tenants):
        click.echo(line)
    click.echo()
    for name, count in faults.items():
        click.echo(f"{name:34}{count:>12,}")
    sys.exit(1 if any(faults.values()) else 0)


async def _with_bar(run: Any, plan: Plan, url: str | None) -> tuple[Tally, dict[str, int]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("frame jobs", total=plan.frame_jobs)
        found: tuple[Tally, dict[str, int]] = await run(
            plan, url, lambda done: bar.update(task, completed=done)
        )
    return found


def report(plan: Plan, tally: Tally, *, all_tenants: bool = False) -> list[str]:
    """Return the lines that tell how it went."""
    facts = [
        ("nodes", f"{plan.nodes:,}"),
        ("frame jobs done", f"{tally.done:,} of {plan.frame_jobs:,}"),
        ("simulated time", _clock(tally.simulated_seconds)),
        ("work for all nodes until", _clock(tally.full_until or tally.simulated_seconds)),
        ("utilisation until then", f"{tally.utilisation:.2%}"),
        ("wasted work", f"{tally.wasted:.2%}"),
        ("nodes failed", f"{tally.node_failures:,}"),
        ("leases reaped", f"{tally.reaped:,}"),
        ("late reports refused", f"{tally.stale:,}"),
        ("attempts failed", f"{tally.failures:,}"),
        ("claims", f"{tally.claims:,}"),
        ("claims a second of wall time", f"{tally.claims / max(1e-9, tally.wall_seconds):,.0f}"),
        ("one claim, mean", f"{1000 * tally.claim_seconds / max(1, tally.claims):.2f} ms"),
        ("wall time", _clock(tally.wall_seconds)),
    ]
    lines = [f"{name:30}{value:>16}" for name, value in facts]
    lines += ["", f"{'waits, s':12}{'frame jobs':>12}{'p50':>10}{'p95':>10}{'longest':>10}"]
    rows = list(tally.waits())
    if not all_tenants and len(rows) > 10:
        rows = rows[:5] + rows[-5:]
    lines += [
        f"tenant {tenant + 1:<5}{count:>12,}{half:>10.1f}{most:>10.1f}{longest:>10.1f}"
        for tenant, count, half, most, longest in rows
    ]
    return lines


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
