"""The list of a tenant's people as staff read it: pages, and a file."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.sorting import KeysetQuery, keyset
from flatrender.http.stretches import check_stretch
from flatrender.http.tables import stream_table
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.permissions import MEMBERS_READ
from flatrender_identity.queries_people import (
    ORDER,
    PeopleFilter,
    PersonLine,
    conditions,
    people_of,
    place_of,
)
from flatrender_identity.services.audit import audit

#: Lines that a file reads at a time.
BATCH = 500
_FIRST = 3


class PeopleService:
    """Reads of a tenant's people."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def page(
        self, principal: Principal, params: CursorParams, wanted: PeopleFilter
    ) -> CursorPage[PersonLine]:
        """Return a page of the tenant's people, the newest first. Raises ``Invalid``."""
        _check(wanted)
        wanted = _seen(principal, wanted)
        told = conditions(wanted, first=_FIRST)
        keys = self._keys(principal, params, wanted, told[1])
        rows = await people_of(self._db.reads, principal.tenant_id, told, keys)
        page: CursorPage[PersonLine] = keys.page(rows, place_of(keys.order))
        return page

    async def export(
        self, principal: Principal, sort: str | None, wanted: PeopleFilter
    ) -> AsyncIterator[bytes]:
        """Return all that the filters choose as a CSV; that they were taken is in the audit log.

        Raises ``Invalid`` before anything is sent.
        """
        _check(wanted)
        ORDER.parse(sort)
        asked = {k: v for k, v in msgspec.to_builtins(wanted).items() if v is not None}
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await audit(
                work,
                principal,
                action="user.export",
                target_type="tenant",
                target_id=principal.tenant_id,
                after={"filter": asked},
            )
        pages = self._batches(principal, sort, _seen(principal, wanted))
        return stream_table(PersonLine.__struct_fields__, pages, "csv")

    async def _batches(
        self, principal: Principal, sort: str | None, wanted: PeopleFilter
    ) -> AsyncIterator[Sequence[Sequence[object]]]:
        told = conditions(wanted, first=_FIRST)
        cursor: str | None = None
        while True:
            params = CursorParams(page_size=BATCH, cursor=cursor, sort=sort)
            keys = self._keys(principal, params, wanted, told[1])
            rows = await people_of(self._db.reads, principal.tenant_id, told, keys)
            page: CursorPage[PersonLine] = keys.page(rows, place_of(keys.order))
            if page.data:
                yield [_cells(line) for line in page.data]
            cursor = page.meta.cursor
            if cursor is None:
                return

    def _keys(
        self, principal: Principal, params: CursorParams, wanted: PeopleFilter, values: list[Any]
    ) -> KeysetQuery[PersonLine]:
        signer = self._context.infra.cursors
        if signer is None:
            raise RuntimeError("lists are served by the API process")
        filters = {"tenant": str(principal.tenant_id), **msgspec.to_builtins(wanted)}
        first = _FIRST + len(values)
        return keyset(params, ORDER, signer, route="list_users", filters=filters, first=first)


def _seen(principal: Principal, wanted: PeopleFilter) -> PeopleFilter:
    """Return the filter without the colleagues whom the caller may not see."""
    if principal.may(MEMBERS_READ.name):
        return wanted
    return replace(wanted, customers_and=principal.user_id)


def _cells(line: PersonLine) -> list[object]:
    told = msgspec.to_builtins(line)
    return [
        ", ".join(told[name]) if name == "tags" else told[name]
        for name in PersonLine.__struct_fields__
    ]


def _check(wanted: PeopleFilter) -> None:
    """Refuse a stretch of time that is none."""
    check_stretch(created_from=wanted.created_from, created_to=wanted.created_to)
