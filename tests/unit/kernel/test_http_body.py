"""Bodies: strict types, bounded depth, numbers and size."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Request, post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from flatrender.errors import DomainError, FieldInvalid
from flatrender.http.body import RequestBody, check_json
from flatrender.http.settings import HttpSettings
from flatrender.http.validation import LONGEST_FORM
from flatrender.testing.http import client_of, make_app


class Amount(RequestBody):
    amount_minor: Annotated[int, Meta(ge=0)]
    note: str = ""
    rate: float = 0.0


class Cat(Struct, tag="cat"):
    lives: int


class Dog(Struct, tag="dog"):
    name: str


@post("/money", status_code=200)
async def money(data: JSONBody[Amount]) -> Amount:
    return data


@post("/animals", status_code=200)
async def animals(data: JSONBody[list[Cat | Dog]]) -> list[str]:
    return [type(animal).__name__ for animal in data]


@post("/limited", status_code=200)
async def limited(data: JSONBody[Annotated[list[int], Meta(max_length=3)]]) -> int:
    return len(data)


@post("/anything", status_code=200)
async def anything(data: JSONBody[Any]) -> Any:
    return data


@post("/large", status_code=200, request_max_body_size=8192)
async def large(data: JSONBody[Amount]) -> int:
    return len(data.note)


@post("/raw", status_code=200)
async def raw(request: Request[Any, Any, Any]) -> int:
    return len(await request.body())


@pytest.fixture
async def client() -> Any:
    app, _ = make_app(
        [money, animals, limited, anything, large, raw], HttpSettings(body_limit_bytes=4096)
    )
    async with client_of(app) as made:
        yield made


JSON = {"content-type": "application/json"}


async def _refused(
    client: httpx.AsyncClient, path: str, content: Any, **headers: str
) -> tuple[int, str, Any]:
    answer = await client.post(path, content=content, headers=headers or JSON)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    return answer.status_code, body["code"], [(e["pointer"], e["code"]) for e in body["errors"]]


@pytest.mark.parametrize(
    "body", ['{"amount_minor":"5"}', '{"amount_minor":5.0}', '{"amount_minor":true}']
)
async def test_types_are_strict(client: httpx.AsyncClient, body: str) -> None:
    status, _, errors = await _refused(client, "/money", body)
    assert (status, errors) == (422, [("/amount_minor", "wrong_type")])


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"amount_minor":1}x',
        b'{"amount_minor":NaN}',
        b'{"amount_minor":1,"rate":NaN}',
        b'{"amount_minor":1,"rate":-Infinity}',
        b'{"amount_minor":1,"note":"\xff"}',
        b'{"amount_minor":1,"note":"\\ud800"}',
        b'{"amount_minor":1,"note":"\x00"}',
        b"\xef\xbb\xbf{}",
    ],
)
async def test_what_is_not_json_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    assert await _refused(client, "/money", body) == (400, "malformed_json", [])


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775809", "9" * 4000])
async def test_numbers_beyond_64_bits_are_refused(client: httpx.AsyncClient, number: str) -> None:
    status, _, errors = await _refused(client, "/money", f'{{"amount_minor":{number}}}')
    assert (status, errors) == (422, [("", "out_of_range")])


async def test_the_largest_number_and_long_digits_in_text_pass(client: httpx.AsyncClient) -> None:
    body = {"amount_minor": 2**63 - 1, "note": "9" * 40, "rate": 0.12345678901234567890123}
    answer = await client.post("/money", json=body)
    assert answer.status_code == 200
    assert answer.json()["amount_minor"] == 2**63 - 1


async def test_nul_is_refused_and_its_spelling_is_not(client: httpx.AsyncClient) -> None:
    status, _, errors = await _refused(client, "/money", r'{"amount_minor":1,"note":"a\u0000"}')
    assert (status, errors) == (422, [("", "nul_character")])
    spelled = r'{"amount_minor":1,"note":"a\\u0000"}'
    answer = await client.post("/money", content=spelled, headers=JSON)
    assert answer.json()["note"] == r"a\u0000"


async def test_deep_json_is_refused(client: httpx.AsyncClient) -> None:
    for deep in (
        "[" * 65 + "]" * 65,
        '{"a":' * 65 + "1" + "}" * 65,
        '[{"x":' * 33 + "0" + "}]" * 33,
    ):
        status, code, _ = await _refused(client, "/anything", deep)
        assert (status, code) == (422, "json_too_deep")
    answer = await client.post("/anything", content="[" * 64 + "]" * 64, headers=JSON)
    assert answer.status_code == 200


async def test_brackets_inside_text_do_not_count(client: httpx.AsyncClient) -> None:
    body = json.dumps(['[{"\\' * 100, "{" * 200])
    assert (await client.post("/anything", content=body, headers=JSON)).status_code == 200


@given(
    st.recursive(
        st.none() | st.text(max_size=5) | st.integers(-9, 9),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=30,
    )
)
def test_the_depth_measure_is_exact(value: Any) -> None:
    def depth(node: Any) -> int:
        if isinstance(node, dict):
            return 1 + max((depth(child) for child in node.values()), default=0)
        if isinstance(node, list):
            return 1 + max((depth(child) for child in node), default=0)
        return 0

    body = json.dumps(value).replace(r"\u0000", "").encode()
    deepest = depth(value)
    if deepest:
        check_json(body, depth=deepest)
        with pytest.raises(DomainError):
            check_json(body, depth=deepest - 1)


def test_hostile_quotes_are_scanned_once() -> None:
    """An unterminated string full of quotes took quadratic time in an earlier form."""
    check_json(b'["' + b'\\"' * 400_000 + b"[" * 3, depth=1)


async def test_only_json_is_read_as_json(client: httpx.AsyncClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = await client.post(
            "/money", content=b'{"amount_minor":1}', headers={"content-type": kind}
        )
        assert answer.json()["code"] == "unsupported_media_type"
        assert answer.status_code == 415
    good = await client.post(
        "/money",
        content=b'{"amount_minor":1}',
        headers={"content-type": "application/merge-patch+json; charset=utf-8"},
    )
    assert good.status_code == 200


async def test_unions_lists_and_outer_limits_work(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/animals", json=[{"type": "cat", "lives": 9}, {"type": "dog", "name": "a"}]
    )
    assert answer.json() == ["Cat", "Dog"]
    assert await _refused(client, "/animals", '[{"type":"cat","lives":"9"}]') == (
        422,
        "validation_failed",
        [("/0/lives", "wrong_type")],
    )
    assert (await client.post("/limited", json=[1, 2, 3])).json() == 3
    assert (await _refused(client, "/limited", "[1,2,3,4]"))[2] == [("", "too_long")]


async def _chunks(size: int) -> AsyncIterator[bytes]:
    yield b'{"amount_minor":1,"note":"'
    for _ in range(size // 512):
        yield b"x" * 512
    yield b'"}'


async def test_bodies_over_the_limit_are_413_announced_or_chunked(
    client: httpx.AsyncClient,
) -> None:
    assert (await _refused(client, "/money", b" " * 4097))[:2] == (413, "body_too_large")
    assert (await _refused(client, "/money", _chunks(8192)))[:2] == (413, "body_too_large")
    assert (await _refused(client, "/raw", _chunks(8192)))[:2] == (413, "body_too_large")


async def test_a_route_may_take_more(client: httpx.AsyncClient) -> None:
    answer = await client.post("/large", content=_chunks(6144), headers=JSON)
    assert answer.json() == 6144
    assert (await _refused(client, "/large", _chunks(9000)))[:2] == (413, "body_too_large")


class Place(RequestBody):
    city: Annotated[str, Meta(min_length=2)]
    floor: Annotated[int, Meta(ge=-3, le=300)] = 0


class Order(RequestBody):
    name: Annotated[str, Meta(max_length=5)]
    place: Place
    amount: int
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.amount == 13:
            raise FieldInvalid("unlucky", fa="نحس", en="Unlucky", at="amount")


@post("/orders", status_code=200)
async def orders(data: JSONBody[Order]) -> Order:
    return data


async def test_every_fault_of_a_body_is_told_at_once_with_its_limit() -> None:
    app, _ = make_app([orders])
    async with client_of(app) as client:

        async def faults(body: Any, language: str = "en") -> list[tuple[str, str, str]]:
            headers = {"Accept-Language": language}
            answer = await client.post("/orders", json=body, headers=headers)
            assert answer.status_code == 422, answer.text
            return [(e["pointer"], e["code"], e["detail"]) for e in answer.json()["errors"]]

        wrong = {"name": "longer than five", "place": {"city": "x", "floor": 301}, "tags": [1],
                 "more~/": 1}  # fmt: skip
        told = await faults(wrong)
        assert told[0] == ("/name", "too_long", "Too long: at most 5")
        assert {one[:2] for one in told} == {
            ("/name", "too_long"), ("/place/city", "too_short"), ("/place/floor", "too_large"),
            ("/tags/0", "wrong_type"), ("/amount", "required"), ("/more~0~1", "unknown_field"),
        }  # fmt: skip
        (persian,) = [one for one in await faults(wrong, "fa") if one[0] == "/place/floor"]
        assert persian[2].endswith("حداکثر ۳۰۰")
        good = {"name": "n", "place": {"city": "xy"}, "amount": 13}
        assert [one[:2] for one in await faults(good)] == [("/amount", "unlucky")]
        many = {f"f{number}": 1 for number in range(50)}
        assert len(await faults(many)) == 20


async def test_what_is_no_json_behind_its_first_fault_still_has_a_place() -> None:
    app, _ = make_app([orders])
    async with client_of(app) as client:
        for rest in (b'"place": {', b'"place": "\xff"}', b'"place": ' + b"[" * 60 + b"}"):
            answer = await client.post("/orders", content=b'{"name": 5, ' + rest, headers=JSON)
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/name")


async def test_a_body_that_is_no_form_is_not_read_twice() -> None:
    app, _ = make_app([orders], HttpSettings(body_limit_bytes=1 << 20))
    async with client_of(app) as client:
        body = {"name": 5, "amount": "x", "more": "x" * LONGEST_FORM}
        answer = await client.post("/orders", json=body)
        assert [e["pointer"] for e in answer.json()["errors"]] == ["/name"]
