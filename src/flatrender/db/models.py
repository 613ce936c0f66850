"""Building blocks for mapped tables: one declarative base per context and a few mixins.

Relationships are ``lazy="raise"`` by house rule: a query that was not asked for is an error.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import DateTime, MetaData, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry

from flatrender.clock import uuid7

_TYPE_MAP: dict[Any, Any] = {
    datetime: DateTime(timezone=True),
    UUID: PG_UUID(as_uuid=True),
    dict: JSONB,
    dict[str, Any]: JSONB,
    list[Any]: JSONB,
}


def context_base(schema: str) -> type[DeclarativeBase]:
    """Return a declarative base whose tables live in ``schema``.

    Each context has its own registry, so two contexts can map tables of the same name.
    """

    class Base(DeclarativeBase):
        __abstract__ = True
        registry: ClassVar[registry] = registry(type_annotation_map=_TYPE_MAP)
        metadata: ClassVar[MetaData] = MetaData(schema=schema)

    return Base


class IdMixin:
    """A UUIDv7 primary key made here, so that an object knows its id before the flush."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7, sort_order=-100)


class TenantMixin:
    """The owner tenant; row-level security compares it with the session's tenant."""

    tenant_id: Mapped[UUID] = mapped_column(sort_order=-99)


class TimestampMixin:
    """``created_at`` and ``updated_at``; the database's trigger keeps the latter."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=900)
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), server_onupdate=func.now(), sort_order=901
    )


class SoftDeleteMixin:
    """Deleted rows stay until a clean-up removes them; people can undo."""

    deleted_at: Mapped[datetime | None] = mapped_column(default=None, sort_order=902)
