"""Lists: pages that people leaf through, and cursors where a list grows without end.

Owns the envelope ``{data, meta}`` and the query parameters. Cursor tokens are in ``cursors``,
orders and their SQL in ``sorting``. It never counts or selects anything itself.
"""

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from litestar.di import Provide
from litestar.params import QueryParameter
from msgspec import Struct

T = TypeVar("T")

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
#: Deeper pages are refused: OFFSET reads all it skips, and nobody leafs that far.
MAX_PAGE = 10_000
MAX_CURSOR_LENGTH = 1024

PageNumber = Annotated[
    int, QueryParameter(ge=1, le=MAX_PAGE, description="Page number, counted from 1.")
]
PageSize = Annotated[
    int,
    QueryParameter(ge=1, le=MAX_PAGE_SIZE, description="Items per page, 1 to 100."),
]
CursorText = Annotated[
    str | None,
    QueryParameter(
        max_length=MAX_CURSOR_LENGTH,
        description="`meta.cursor` of the page before; absent for the first page.",
    ),
]
SortText = Annotated[
    str | None,
    QueryParameter(
        max_length=120,
        description="Sort keys separated by commas; a leading `-` reverses one.",
    ),
]


class PageMeta(Struct, frozen=True, kw_only=True):
    """Where this page lies. ``total`` counts items, ``total_pages`` is 0 for an empty list."""

    page: int
    page_size: int
    total: int
    total_pages: int


class Page(Struct, Generic[T], frozen=True, kw_only=True):
    """One numbered page of a list."""

    data: list[T]
    meta: PageMeta


class CursorMeta(Struct, frozen=True, kw_only=True):
    """How to go on: ``cursor`` is for the next page, null at the end of the list."""

    cursor: str | None
    has_more: bool
    page_size: int


class CursorPage(Struct, Generic[T], frozen=True, kw_only=True):
    """One page of an endless list."""

    data: list[T]
    meta: CursorMeta


class PageParams(Struct, frozen=True, kw_only=True):
    """``page`` and ``page_size`` of a numbered list, already within their limits."""

    page: int = 1
    page_size: int = DEFAULT_PAGE_SIZE

    @property
    def limit(self) -> int:
        """Rows to read."""
        return self.page_size

    @property
    def offset(self) -> int:
        """Rows to skip."""
        return (self.page - 1) * self.page_size

    def of(self, data: Sequence[T], total: int) -> Page[T]:
        """Wrap the rows of this page; ``total`` counts all rows of the list."""
        pages = -(-total // self.page_size)
        meta = PageMeta(page=self.page, page_size=self.page_size, total=total, total_pages=pages)
        return Page(data=list(data), meta=meta)


class CursorParams(Struct, frozen=True, kw_only=True):
    """``cursor``, ``page_size`` and ``sort`` of an endless list, not yet verified."""

    cursor: str | None = None
    page_size: int = DEFAULT_PAGE_SIZE
    sort: str | None = None


async def provide_page(page: PageNumber = 1, page_size: PageSize = DEFAULT_PAGE_SIZE) -> PageParams:
    """Read ``?page`` and ``?page_size``."""
    return PageParams(page=page, page_size=page_size)


async def provide_cursor(
    cursor: CursorText = None, page_size: PageSize = DEFAULT_PAGE_SIZE, sort: SortText = None
) -> CursorParams:
    """Read ``?cursor``, ``?page_size`` and ``?sort``."""
    return CursorParams(cursor=cursor, page_size=page_size, sort=sort)


#: Dependencies for handlers: ``page: NamedDependency[PageParams]`` under the key ``page_params``.
PAGE_DEPENDENCIES = {
    "page_params": Provide(provide_page),
    "cursor_params": Provide(provide_cursor),
}
