"""``flatrender farm`` with all of its commands."""

from flatrender_render.acts_cli import acts
from flatrender_render.operator_cli import farm
from flatrender_render.stock_cli import cache
from flatrender_render.stock_cli import fonts as font_table

for _command in (cache, font_table, acts):
    farm.add_command(_command)

__all__ = ["farm"]
