"""Orders of a list: an allow-list of sort keys, and the SQL of a keyset page.

A caller names keys, never columns; every order ends with a unique column, so pages never skip or
repeat a row. Columns of an order must be NOT NULL (a comparison with NULL would drop the row).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

from flatrender.errors import FieldError, Invalid
from flatrender.http.cursors import CursorSigner, binding
from flatrender.http.pages import CursorMeta, CursorPage, CursorParams

T = TypeVar("T")


class UnknownSort(Invalid):
    """``?sort`` names a key that this list does not offer."""

    code = "unknown_sort"
    title_fa = "این فهرست چنین ترتیبی ندارد"
    title_en = "Unknown sort key"
    detail_fa = "کلیدهای مجاز: {allowed}"
    detail_en = "Allowed keys: {allowed}"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(
            errors=[
                FieldError(
                    pointer="?sort",
                    code="unknown_sort",
                    message_fa=self.title_fa,
                    message_en=self.title_en,
                )
            ],
            allowed=", ".join(allowed),
        )


class SortColumn(Struct, frozen=True):
    """A column to sort by: trusted SQL, the type that a cursor restores, its PostgreSQL type."""

    sql: str
    kind: Any
    pg_type: str


class OrderTerm(Struct, frozen=True):
    """One column of a chosen order."""

    column: SortColumn
    descending: bool


class Order(Struct, frozen=True):
    """A chosen order. ``text`` is its canonical form, part of a cursor's binding."""

    text: str
    terms: tuple[OrderTerm, ...]

    @property
    def types(self) -> list[Any]:
        """The Python types of a cursor's values."""
        return [term.column.kind for term in self.terms]

    def order_by(self) -> str:
        """Return the list behind ORDER BY."""
        return ", ".join(
            f"{term.column.sql} {'DESC' if term.descending else 'ASC'}" for term in self.terms
        )

    def after(self, first: int) -> str:
        """Return the condition for rows behind a cursor, with parameters from ``$first`` on.

        One direction throughout compares rows, which a multi-column index answers; mixed
        directions spell the comparison out.
        """
        places = [f"${first + n}::{term.column.pg_type}" for n, term in enumerate(self.terms)]
        if len({term.descending for term in self.terms}) == 1:
            columns = ", ".join(term.column.sql for term in self.terms)
            sign = "<" if self.terms[0].descending else ">"
            return f"({columns}) {sign} ({', '.join(places)})"
        branches = []
        for n, term in enumerate(self.terms):
            equal = [
                f"{before.column.sql} = {place}"
                for before, place in zip(self.terms[:n], places[:n], strict=True)
            ]
            beyond = f"{term.column.sql} {'<' if term.descending else '>'} {places[n]}"
            branches.append("(" + " AND ".join([*equal, beyond]) + ")")
        return "(" + " OR ".join(branches) + ")"


class SortMenu:
    """The sort keys that one list offers."""

    def __init__(
        self, keys: Mapping[str, SortColumn], *, default: str, tie: SortColumn, max_keys: int = 3
    ) -> None:
        """``default`` is in the caller's notation; ``tie`` is a unique column, usually the id."""
        self._keys = dict(keys)
        self._tie = tie
        self._max_keys = max_keys
        self._default = self.parse(default)

    def parse(self, sort: str | None) -> Order:
        """Return the order that ``?sort`` asks for; raises :class:`UnknownSort`.

        ``-created_at,name``: keys separated by commas, ``-`` for descending. The tie-breaker
        follows the direction of the last key.
        """
        if not sort:
            return self._default
        terms: list[OrderTerm] = []
        names: list[str] = []
        for part in sort.split(","):
            text = part.strip()
            name = text.removeprefix("-")
            column = self._keys.get(name)
            if column is None or name in names or len(names) >= self._max_keys:
                raise UnknownSort(sorted(self._keys))
            names.append(name)
            terms.append(OrderTerm(column, text.startswith("-")))
        canonical = ",".join(
            ("-" if term.descending else "") + name for name, term in zip(names, terms, strict=True)
        )
        if terms[-1].column != self._tie:
            terms.append(OrderTerm(self._tie, terms[-1].descending))
        return Order(canonical, tuple(terms))


class KeysetQuery(Struct, Generic[T], frozen=True, kw_only=True):
    """One page of an endless list, ready to be read.

    ``condition`` is SQL (``TRUE`` on the first page) whose parameters are ``values``, counted
    from the ``first`` given to :func:`keyset`; ``limit`` is one more than the page holds, which
    tells whether there is another.
    """

    order: Order
    condition: str
    values: list[Any]
    limit: int
    page_size: int
    signer: CursorSigner
    bound: bytes

    def page(self, rows: Sequence[T], values_of: Any) -> CursorPage[T]:
        """Wrap up to ``limit`` rows; ``values_of(row)`` gives a row's sort values in order."""
        kept = list(rows[: self.page_size])
        more = len(rows) > self.page_size
        cursor = self.signer.encode(values_of(kept[-1]), binding=self.bound) if more else None
        meta = CursorMeta(cursor=cursor, has_more=more, page_size=self.page_size)
        return CursorPage(data=kept, meta=meta)


def keyset(
    params: CursorParams,
    menu: SortMenu,
    signer: CursorSigner,
    *,
    route: str,
    filters: Mapping[str, Any] | None = None,
    first: int = 1,
) -> KeysetQuery[Any]:
    """Verify order and cursor and return what the SQL needs.

    ``route`` is the operation id, ``filters`` everything else that chooses the rows (see
    :func:`cursors.binding`), ``first`` the number of the first free ``$n``. Raises
    :class:`UnknownSort` and :class:`CursorInvalid`.
    """
    order = menu.parse(params.sort)
    bound = binding(route, sort=order.text, filters=filters)
    condition, values = "TRUE", []
    if params.cursor:
        values = signer.decode(params.cursor, order.types, binding=bound)
        condition = order.after(first)
    return KeysetQuery(
        order=order,
        condition=condition,
        values=values,
        limit=params.page_size + 1,
        page_size=params.page_size,
        signer=signer,
        bound=bound,
    )
