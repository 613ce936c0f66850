"""The audit log as staff read it: pages, one line with what it changed, files."""

from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_network
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.sorting import KeysetQuery, keyset
from flatrender.http.stretches import check_stretch
from flatrender.http.tables import TableFormat, stream_table
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.differences import Change, changes
from flatrender_identity.queries_audit import (
    FIRST,
    ORDER,
    AuditFilter,
    AuditLine,
    audit_line,
    audit_lines,
)
from flatrender_identity.services.audit import audit

#: Lines that an export reads at a time.
BATCH = 500


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One act, and value by value what it changed."""

    entry: AuditLine
    changes: list[Change]


class AuditViews:
    """Reads of ``identity.audit_log``."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def page(
        self, principal: Principal, params: CursorParams, wanted: AuditFilter
    ) -> CursorPage[AuditLine]:
        """Return a page of the tenant's log, the latest first. Raises ``Invalid``."""
        _check(wanted)
        keys = self._keys(principal, params, wanted)
        rows = await audit_lines(self._db.reads, principal.tenant_id, wanted, keys)
        return keys.page(rows, lambda row: [row.created_at, row.id])

    async def one(self, principal: Principal, line_id: UUID) -> AuditEntry:
        """Return one act. Raises ``NotFound``."""
        line = await audit_line(self._db.reads, principal.tenant_id, line_id)
        if line is None:
            raise NotFound()
        return AuditEntry(entry=line, changes=changes(line.before, line.after))

    async def export(
        self, principal: Principal, wanted: AuditFilter, form: TableFormat
    ) -> AsyncIterator[bytes]:
        """Return the lines as a file, the latest first; that they were taken is an act as well.

        Raises ``Invalid`` before anything is sent.
        """
        _check(wanted)
        asked = {k: v for k, v in msgspec.to_builtins(wanted).items() if v is not None}
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await audit(
                work,
                principal,
                action="audit.export",
                target_type="tenant",
                target_id=principal.tenant_id,
                after={"format": form, "filter": asked},
            )
        return stream_table(AuditLine.__struct_fields__, self._batches(principal, wanted), form)

    async def _batches(
        self, principal: Principal, wanted: AuditFilter
    ) -> AsyncIterator[Sequence[Sequence[object]]]:
        params: CursorParams | None = CursorParams(page_size=BATCH)
        while params is not None:
            keys = self._keys(principal, params, wanted)
            rows = await audit_lines(self._db.reads, principal.tenant_id, wanted, keys)
            page = keys.page(rows, lambda row: [row.created_at, row.id])
            if page.data:
                yield [_cells(line) for line in page.data]
            cursor = page.meta.cursor
            params = CursorParams(page_size=BATCH, cursor=cursor) if cursor else None

    def _keys(
        self, principal: Principal, params: CursorParams, wanted: AuditFilter
    ) -> KeysetQuery[AuditLine]:
        signer = self._context.infra.cursors
        if signer is None:
            raise RuntimeError("lists are served by the API process")
        filters = {"tenant": str(principal.tenant_id), **msgspec.to_builtins(wanted)}
        return keyset(params, ORDER, signer, route="list_audit", filters=filters, first=FIRST)


def _cells(line: AuditLine) -> list[object]:
    told = msgspec.to_builtins(line)
    return [told[name] for name in AuditLine.__struct_fields__]


def _check(wanted: AuditFilter) -> None:
    """Refuse an address that is none and a time that ends before it begins."""
    if wanted.address is not None:
        _host, _, mask = wanted.address.partition("/")
        try:
            ip_network(wanted.address, strict=False)
        except ValueError:
            raise Invalid(errors=[_NO_ADDRESS]) from None
        # Python takes more than PostgreSQL: the zone of a link-local address, a written-out mask.
        if "%" in wanted.address or not (mask.isdecimal() or "/" not in wanted.address):
            raise Invalid(errors=[_NO_ADDRESS])
    check_stretch(since=wanted.since, until=wanted.until)


_NO_ADDRESS = FieldError(
    pointer="?address",
    code="address_invalid",
    message_fa="نشانی یا شبکهٔ IP نیست",
    message_en="No IP address or network",
)
