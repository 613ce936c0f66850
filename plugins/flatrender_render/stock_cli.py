"""``flatrender farm cache`` and ``farm fonts``: what lies on the nodes, for the farm's operator."""

import click

from flatrender.plugin import PluginContext
from flatrender_render.operator_cli import columns, print_lines, span, with_context

_CACHE = """
SELECT n.name, n.cache_budget_bytes, c.package_sha256, c.size_bytes, c.hits, c.pins,
       extract(epoch FROM now() - c.last_used_at)::float8 AS unused
FROM render.node_template_cache c JOIN render.nodes n ON n.id = c.node_id
WHERE n.deleted_at IS NULL AND ($1::text IS NULL OR lower(n.name) = lower($1))
ORDER BY lower(n.name), c.last_used_at DESC LIMIT $2 OFFSET $3
"""


@click.command()
@click.argument("node", required=False)
@click.option("--page", type=click.IntRange(1, 10_000), default=1, show_default=True)
def cache(node: str | None, page: int) -> None:
    """Show the templates that lie on the nodes, or on NODE (name)."""

    async def run(context: PluginContext) -> list[str]:
        found = await context.db.system_fetch("farm cache", _CACHE, node, 50, 50 * (page - 1))
        lines = [columns((26, "NODE"), (16, "PACKAGE"), (8, "MIB"), (6, "HITS"), (6, "USED"))]
        lines += [
            columns(
                (26, one["name"]),
                (16, one["package_sha256"][:16]),
                (8, f"{one['size_bytes'] / 2**20:,.1f}"),
                (6, str(one["hits"])),
                (6, "now" if one["pins"] else span(one["unused"])),
            )
            for one in found
        ]
        more = [f"more with --page {page + 1}"] if len(found) == 50 else []
        return lines + more if found else ["no template lies on a node"]

    print_lines(with_context(run))


@click.command()
@click.option("--page", type=click.IntRange(1, 10_000), default=1, show_default=True)
@click.option("--lacking", is_flag=True, help="Name the nodes that lack a font, and why.")
def fonts(page: int, lacking: bool) -> None:
    """Show the farm's fonts, and on how many nodes each is."""
    from flatrender.http.pages import PageParams
    from flatrender_render.services.farm_fonts import FarmFontService

    async def run(context: PluginContext) -> list[str]:
        found = await context.get(FarmFontService).matrix(PageParams(page=page, page_size=50))
        lines = [columns((34, "FONT"), (12, "SHA-256"), (10, "INSTALLED"), (8, "LACKING"))]
        for font in found.data:
            name = f"{font.family} {font.style}"
            counts = ((10, str(font.installed)), (8, str(font.lacking)))
            lines.append(columns((34, name), (12, font.sha256[:12]), *counts))
            for one in font.nodes if lacking else ():
                if one.state != "Installed":
                    lines.append(columns((2, ""), (26, one.node_name), (9, one.state),
                                     (40, one.error or "")))  # fmt: skip
        rest = found.meta.total_pages > page
        more = [f"more with --page {page + 1}"] if rest else []
        return lines + more if found.data else ["the farm has no fonts of its own"]

    print_lines(with_context(run))
