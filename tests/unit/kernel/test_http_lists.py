"""Pages, cursors and orders, and entity tags."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Response, get, put
from litestar.di import NamedDependency
from litestar.params import FromQuery, HeaderParameter

from flatrender.errors import PreconditionFailed
from flatrender.http import etag as tags
from flatrender.http.cursors import CursorInvalid, CursorSigner, binding
from flatrender.http.errors import PreconditionRequired
from flatrender.http.pages import CursorPage, CursorParams, Page, PageParams
from flatrender.http.sorting import SortColumn, SortMenu, UnknownSort, keyset
from flatrender.testing.http import client_of, make_app

SIGNER = CursorSigner(b"k" * 32)
ID = SortColumn("t.id", int, "bigint")
MENU = SortMenu(
    {
        "created_at": SortColumn("t.created_at", datetime, "timestamptz"),
        "name": SortColumn("t.name", str, "text"),
        "id": ID,
    },
    default="-created_at",
    tie=ID,
)


@get("/pages")
async def pages(page_params: NamedDependency[PageParams]) -> Page[int]:
    everything = list(range(45))
    rows = everything[page_params.offset : page_params.offset + page_params.limit]
    return page_params.of(rows, len(everything))


@get("/endless")
async def endless(
    cursor_params: NamedDependency[CursorParams], owner: FromQuery[str] = "me"
) -> CursorPage[int]:
    query = keyset(cursor_params, MENU, SIGNER, route="endless", filters={"owner": owner})
    start = query.values[-1] if query.values else 0
    rows = list(range(start + 1, 46))[: query.limit]
    return query.page(rows, lambda row: [datetime(2026, 1, 1, tzinfo=UTC), row])


@get("/versioned")
async def versioned(
    if_none_match: Annotated[str | None, HeaderParameter(name="If-None-Match")] = None,
) -> Response[Any]:
    return tags.tagged({"a": 1}, 12, if_none_match=if_none_match)


@put("/versioned", status_code=200)
async def change(
    if_match: Annotated[str | None, HeaderParameter(name="If-Match")] = None,
) -> None:
    tags.require_match(if_match, 12)


@pytest.fixture
async def client() -> Any:
    app, _ = make_app([pages, endless, versioned, change])
    async with client_of(app) as made:
        yield made


async def test_pages_say_where_they_lie(client: httpx.AsyncClient) -> None:
    first = (await client.get("/pages")).json()
    assert first["meta"] == {"page": 1, "page_size": 20, "total": 45, "total_pages": 3}
    last = (await client.get("/pages?page=3")).json()
    assert last["data"] == list(range(40, 45))
    beyond = (await client.get("/pages?page=4&page_size=100")).json()
    assert beyond["data"] == []
    assert PageParams().of([], 0).meta.total_pages == 0


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("page_size=0", "?page_size"),
        ("page_size=101", "?page_size"),
        ("page_size=-1", "?page_size"),
        ("page_size=1e9", "?page_size"),
        ("page_size=99999999999999999999", "?page_size"),
        ("page=0", "?page"),
        ("page=10001", "?page"),
        ("page=nan", "?page"),
    ],
)
async def test_absurd_pages_are_refused(
    client: httpx.AsyncClient, query: str, pointer: str
) -> None:
    answer = await client.get(f"/pages?{query}")
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == [pointer]


async def test_an_endless_list_is_read_whole_and_once(client: httpx.AsyncClient) -> None:
    seen: list[int] = []
    params: dict[str, Any] = {"page_size": 7}
    while True:
        page = (await client.get("/endless", params=params)).json()
        seen += page["data"]
        assert page["meta"]["has_more"] == (page["meta"]["cursor"] is not None)
        if not page["meta"]["has_more"]:
            break
        params["cursor"] = page["meta"]["cursor"]
    assert seen == list(range(1, 46))


async def test_cursors_of_another_list_or_changed_are_refused(client: httpx.AsyncClient) -> None:
    cursor = (await client.get("/endless?page_size=5")).json()["meta"]["cursor"]
    assert (await client.get("/endless", params={"cursor": cursor})).status_code == 200
    flipped = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    for params in (
        {"cursor": cursor, "owner": "you"},
        {"cursor": cursor, "sort": "name"},
        {"cursor": flipped},
        {"cursor": cursor[:-2]},
        {"cursor": cursor + "AA"},
        {"cursor": "پارسی"},
        {"cursor": "!!!!"},
    ):
        answer = await client.get("/endless", params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid"), params
        assert answer.json()["errors"][0]["pointer"] == "?cursor"
    absurd = await client.get("/endless", params={"cursor": "A" * 1025})
    assert (absurd.status_code, absurd.json()["errors"][0]["pointer"]) == (422, "?cursor")


async def test_unknown_sort_keys_are_refused(client: httpx.AsyncClient) -> None:
    for sort in ("password", "-", "name,name", "name;drop", "name,id,created_at,name"):
        answer = await client.get("/endless", params={"sort": sort})
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_sort"), sort
        assert answer.json()["errors"][0]["pointer"] == "?sort"


VALUES = st.tuples(
    st.datetimes(timezones=st.just(UTC)),
    st.text(max_size=20),
    st.uuids(),
    st.integers(-(2**63), 2**63 - 1),
)


@given(VALUES)
def test_cursors_keep_their_values(values: tuple[datetime, str, UUID, int]) -> None:
    bound = binding("r", sort="s")
    cursor = SIGNER.encode(values, binding=bound)
    assert SIGNER.decode(cursor, [datetime, str, UUID, int], binding=bound) == list(values)


@given(VALUES, st.integers(0, 10_000), st.integers(0, 7))
def test_no_flipped_bit_passes(values: Any, place: int, bit: int) -> None:
    bound = binding("r", sort="s")
    cursor = SIGNER.encode(values, binding=bound)
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[place % len(raw)] ^= 1 << bit
    changed = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    with pytest.raises(CursorInvalid):
        SIGNER.decode(changed, [datetime, str, UUID, int], binding=bound)


def test_cursors_need_the_key_and_the_list() -> None:
    cursor = SIGNER.encode([1], binding=binding("a", sort="s", filters={"x": 1, "y": 2}))
    assert SIGNER.decode(
        cursor, [int], binding=binding("a", sort="s", filters={"y": 2, "x": 1})
    ) == [1]
    for bound in (
        binding("b", sort="s"),
        binding("a", sort="t"),
        binding("a", sort="s", filters={"x": 1}),
    ):
        with pytest.raises(CursorInvalid):
            SIGNER.decode(cursor, [int], binding=bound)
    with pytest.raises(CursorInvalid):
        CursorSigner(b"z" * 32).decode(
            cursor, [int], binding=binding("a", sort="s", filters={"x": 1, "y": 2})
        )


def test_orders_end_with_the_unique_column() -> None:
    assert MENU.parse(None).order_by() == "t.created_at DESC, t.id DESC"
    assert MENU.parse("name").order_by() == "t.name ASC, t.id ASC"
    assert MENU.parse("-id").order_by() == "t.id DESC"
    assert MENU.parse(" name , -created_at ").text == "name,-created_at"
    with pytest.raises(UnknownSort):
        MENU.parse("nope")


def test_keyset_conditions() -> None:
    assert (
        MENU.parse("-created_at").after(3) == "(t.created_at, t.id) < ($3::timestamptz, $4::bigint)"
    )
    assert MENU.parse("name,-created_at").after(1) == (
        "((t.name > $1::text) OR (t.name = $1::text AND t.created_at < $2::timestamptz)"
        " OR (t.name = $1::text AND t.created_at = $2::timestamptz AND t.id < $3::bigint))"
    )


def test_the_first_page_has_no_condition() -> None:
    query = keyset(CursorParams(page_size=2), MENU, SIGNER, route="r", filters={})
    assert (query.condition, query.values, query.limit) == ("TRUE", [], 3)
    page = query.page([1, 2], lambda row: [datetime.now(UTC) - timedelta(1), row])
    assert (page.meta.has_more, page.meta.cursor) == (False, None)


def test_versions_and_tags() -> None:
    assert tags.etag(12) == '"v12"'
    assert tags.expected_versions('"v12", W/"v13", "v14" , "other"') == [12, 14]
    assert tags.expected_versions("*") is None
    assert tags.expected_versions(None, required=False) is None
    assert tags.expected_versions('"v012"') == []
    with pytest.raises(PreconditionRequired):
        tags.expected_versions(None)
    for bad in (
        "",
        "v12",
        '"v12',
        '"v12" "v13"',
        '"v"v"',
        '"v1",,x',
        "W/v1",
        '"' + "v" * 4000 + '"',
    ):
        with pytest.raises(tags.InvalidPrecondition):
            tags.expected_versions(bad)
    with pytest.raises(PreconditionFailed) as caught:
        tags.require_match('"v11"', 12)
    assert caught.value.headers == {"ETag": '"v12"'}


def test_not_modified_is_weak_and_forgiving() -> None:
    assert tags.not_modified('W/"v3"', 3)
    assert tags.not_modified('"v2", "v3"', 3)
    assert tags.not_modified("*", 3)
    assert not tags.not_modified('"v2"', 3)
    assert not tags.not_modified("garbage", 3)
    assert not tags.not_modified(None, 3)


async def test_etags_over_http(client: httpx.AsyncClient) -> None:
    fresh = await client.get("/versioned")
    assert (fresh.status_code, fresh.headers["etag"], fresh.json()) == (200, '"v12"', {"a": 1})
    same = await client.get("/versioned", headers={"If-None-Match": '"v12"'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", '"v12"')
    for header, status, code in (
        (None, 428, "precondition_required"),
        ('"v11"', 412, "version_conflict"),
        ('W/"v12"', 412, "version_conflict"),
        ("v12", 400, "precondition_invalid"),
    ):
        answer = await client.put("/versioned", headers={"If-Match": header} if header else {})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await client.put("/versioned", headers={"If-Match": '"v12"'})).status_code == 200
    assert (await client.put("/versioned", headers={"If-Match": "*"})).status_code == 200
