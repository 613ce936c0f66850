"""``flatrender farm acts``: who did what to the farm, for its operator."""

import textwrap
from typing import get_args

import click

from flatrender.plugin import PluginContext
from flatrender_render.operator_cli import columns, plain, print_lines, with_context
from flatrender_render.services.farm_acts import ActFilter, ActName, FarmAct, FarmActService


@click.command()
@click.argument("node", required=False)
@click.option("--act", type=click.Choice(get_args(ActName)), help="Only this act.")
@click.option("--page", type=click.IntRange(1, 10_000), default=1, show_default=True)
def acts(node: str | None, act: ActName | None, page: int) -> None:
    """Show who did what to the farm, newest first; of NODE (name or id) only."""
    from flatrender.http.pages import PageParams

    async def run(context: PluginContext) -> list[str]:
        service = context.get(FarmActService)
        params = PageParams(page=page, page_size=25)
        wanted = ActFilter(act=act, target=node)
        found = await service.acts(params, wanted)
        more = [f"more with --page {page + 1}"] if found.meta.total_pages > page else []
        return act_table(found.data) + more if found.data else ["nothing is recorded"]

    print_lines(with_context(run))


def act_table(found: list[FarmAct]) -> list[str]:
    """Return a table of acts; each has a second line where there is more to say."""
    lines = [columns((16, "WHEN (UTC)"), (18, "ACT"), (24, "TARGET"), (19, "WHO"))]
    for one in found:
        lines.append(
            columns(
                (16, f"{one.created_at:%Y-%m-%d %H:%M}"),
                (18, one.act),
                (24, one.target_name or one.target_id),
                (19, _WHO[one.actor_kind]),
            )
        )
        by = f"by {one.actor_id}" if one.actor_id else ""
        origin = f"from {one.address}" if one.address else ""
        said = (_change(one), " ".join(filter(None, (by, origin))), plain(one.reason))
        text = "; ".join(filter(None, said))
        lines += textwrap.wrap(text, 80, initial_indent="  ", subsequent_indent="  ")
    return lines


_WHO = {"cli": "command line", "farm": "the farm", "user": "administrator"}


def _change(one: FarmAct) -> str:
    """Return what became of the act's values, as ``name before > after``."""
    before, after = one.before or {}, one.after or {}
    return ", ".join(
        f"{name} {_value(before.get(name))} > {_value(after.get(name))}"
        for name in (after or before)
        if before.get(name) != after.get(name)
    )


def _value(value: object) -> str:
    return "-" if value is None or value == "" else plain(str(value))
