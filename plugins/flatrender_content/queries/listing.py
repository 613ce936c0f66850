"""What all of content's lists share: whose rows a tenant reads, and one page in one query."""

from typing import TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.db import ReadPool
from flatrender.http.pages import Page, PageParams
from flatrender.security.principal import DEFAULT_TENANT_ID

T = TypeVar("T")

NAME = "'name', json_build_object('fa', x.name_fa, 'en', x.name_en)"
DESCRIPTION = "'description', json_build_object('fa', x.description_fa, 'en', x.description_en)"


class Listed(Struct, frozen=True):
    """What a list query returns: the page's rows and how many there are in all."""

    total: int
    data: msgspec.Raw


# One page of a list: $2 rows behind $3, and the number of all rows.
PAGE = """
WITH hits AS MATERIALIZED (
  SELECT {columns}, row_number() OVER (ORDER BY {order}) AS place FROM {source}
)
SELECT json_build_object(
  'total', (SELECT count(*) FROM hits),
  'data', (SELECT coalesce(json_agg(json_build_object({item}) ORDER BY x.place), '[]')
           FROM hits x WHERE x.place > $3 AND x.place <= $3 + $2))::text
"""


def owners(tenant_id: UUID) -> list[UUID]:
    """Return whose rows a tenant may read, its own first."""
    return list(dict.fromkeys((tenant_id, DEFAULT_TENANT_ID)))


async def read_page(
    reads: ReadPool, tenant_id: UUID, kind: type[T], page: PageParams, sql: str, *args: object
) -> Page[T]:
    """Run a query that answers :class:`Listed` and return its page."""
    text = await reads.value(tenant_id, sql, *args)
    listed = msgspec.json.decode(text, type=Listed)
    rows: list[T] = msgspec.json.decode(listed.data, type=list[kind])  # type: ignore[valid-type]  # a type made at run time
    return page.of(rows, listed.total)
