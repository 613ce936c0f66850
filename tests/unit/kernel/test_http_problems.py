"""Every refusal is a problem document, says the same for every missing thing, and hides faults."""

import logging
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest
from litestar import get, post
from litestar.exceptions import (
    HTTPException,
    NotAuthorizedException,
    PermissionDeniedException,
    ServiceUnavailableException,
    TooManyRequestsException,
)
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter
from msgspec import Meta, Struct, field

from flatrender.errors import Conflict, DomainError, FieldError, FieldInvalid, Invalid, NotFound
from flatrender.http.body import RequestBody
from flatrender.http.problems import encode_problem, problem_responses, to_domain_error
from flatrender.http.validation import code_of, to_pointer
from flatrender.testing.http import client_of, make_app


class TemplateMissing(NotFound):
    """A context's own 404: its words must not reach the caller."""

    code = "template_not_found"
    title_en = "This template belongs to somebody else"


class QualityLocked(DomainError):
    status = 403
    code = "quality_locked"
    title_fa = "این کیفیت در طرح شما نیست"
    title_en = "Your plan does not include this quality"
    detail_fa = "حداکثر {limit}"
    detail_en = "At most {limit}"


class BrokenDetail(Conflict):
    code = "broken_detail"
    detail_en = "{absent}"
    detail_fa = "{absent}"


class Scene(RequestBody):
    key: Annotated[str, Meta(min_length=1, max_length=8)]
    seconds: Annotated[float, Meta(ge=0.5, le=60)] = 1.0

    def __post_init__(self) -> None:
        if self.key == "bad":
            raise FieldInvalid("key_taken", fa="این کلید گرفته شده است", en="Taken", at="key")


class Project(RequestBody):
    name: str
    owner: UUID | None = None
    scenes: list[Scene] = field(default_factory=list)
    colors: dict[str, int] = field(default_factory=dict)


class Item(Struct):
    id: int


@post("/projects", status_code=200)
async def create(data: JSONBody[Project]) -> Project:
    return data


@get("/items/{item_id:uuid}")
async def missing(item_id: FromPath[UUID]) -> Item:
    raise TemplateMissing(extra={"id": str(item_id)}, headers={"X-Owner": "tenant-b"})


@get("/raise/{kind:str}")
async def fail(kind: FromPath[str]) -> None:
    faults: dict[str, Exception] = {
        "locked": QualityLocked(limit="360p", extra={"upgrade_to": "pro", "code": "forged"}),
        "invalid": Invalid(
            errors=[
                FieldError(pointer="/a/b", code="taken", message_fa="گرفته", message_en="Taken")
            ]
        ),
        "broken": BrokenDetail(),
        "401": NotAuthorizedException(),
        "403": PermissionDeniedException("internal words"),
        "429": TooManyRequestsException(headers={"retry-after": "7"}),
        "418": HTTPException(status_code=418, detail="internal words"),
        "500": HTTPException(status_code=500, detail="internal words"),
        "503": ServiceUnavailableException("internal words"),
        "bug": RuntimeError("password=hunter2"),
        "group": ExceptionGroup("tasks", [ExceptionGroup("inner", [QualityLocked(limit="1")])]),
        "outage": asyncpg.CannotConnectNowError("starting up"),
        "encode": TypeError("no"),
    }
    raise faults[kind]


@get("/unencodable")
async def unencodable() -> dict[str, Any]:
    return {"a": object()}


@get("/query")
async def query(
    size: Annotated[int, QueryParameter(ge=1, le=5)],
    ids: FromQuery[list[UUID] | None] = None,
    x_thing: Annotated[int | None, HeaderParameter(name="X-Thing")] = None,
) -> int:
    del ids, x_thing
    return size


HANDLERS = [create, missing, fail, unencodable, query]


@pytest.fixture
async def client() -> Any:
    app, _ = make_app(HANDLERS)
    async with client_of(app) as made:
        yield made


def _problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:flatrender:problem:{code}"
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["title"]
    return body


async def test_missing_things_are_equal_byte_for_byte(client: httpx.AsyncClient) -> None:
    answers = [
        await client.get(path, headers={"X-Request-ID": "same-for-all"})
        for path in (f"/items/{uuid4()}", "/items/no-uuid", "/nowhere", "/items/%00", "/docs/x.js")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1
    _problem(answers[0], 404, "not_found")


async def test_words_follow_the_language(client: httpx.AsyncClient) -> None:
    persian = await client.get("/raise/locked")
    english = await client.get("/raise/locked", headers={"Accept-Language": "en-GB, fa;q=0.5"})
    assert _problem(persian, 403, "quality_locked")["detail"] == "حداکثر 360p"
    assert _problem(english, 403, "quality_locked")["detail"] == "At most 360p"
    assert (persian.headers["content-language"], english.headers["content-language"]) == (
        "fa",
        "en",
    )
    assert "Accept-Language" in persian.headers["vary"]


async def test_extension_members_never_replace_the_standard_ones(client: httpx.AsyncClient) -> None:
    body = _problem(await client.get("/raise/locked"), 403, "quality_locked")
    assert body["upgrade_to"] == "pro"


async def test_named_fields_reach_the_caller(client: httpx.AsyncClient) -> None:
    answer = await client.get("/raise/invalid", headers={"Accept-Language": "en"})
    assert _problem(answer, 422, "validation_failed")["errors"] == [
        {"pointer": "/a/b", "code": "taken", "detail": "Taken"}
    ]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("401", 401, "unauthorized"),
        ("403", 403, "forbidden"),
        ("429", 429, "too_many_requests"),
        ("418", 418, "bad_request"),
        ("503", 503, "unavailable"),
        ("broken", 409, "broken_detail"),
        ("group", 403, "quality_locked"),
    ],
)
async def test_foreign_exceptions_speak_our_language(
    client: httpx.AsyncClient, kind: str, status: int, code: str
) -> None:
    answer = await client.get(f"/raise/{kind}")
    _problem(answer, status, code)
    assert "internal words" not in answer.text


async def test_headers_of_refusals_survive(client: httpx.AsyncClient) -> None:
    assert (await client.get("/raise/429")).headers["retry-after"] == "7"
    assert (await client.get("/raise/401")).headers["www-authenticate"].startswith("Bearer")
    wrong = await client.delete("/query")
    _problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, OPTIONS"


@pytest.mark.parametrize("kind", ["bug", "500", "encode"])
async def test_a_fault_says_its_request_id_and_nothing_else(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    with caplog.at_level(logging.ERROR, "flatrender.http.problems"):
        answer = await client.get(f"/raise/{kind}")
    body = _problem(answer, 500, "internal_error")
    assert set(body) == {"type", "title", "status", "code", "request_id", "detail", "errors"}
    assert body["detail"] == ""
    assert body["errors"] == []
    assert "hunter2" not in answer.text
    assert "internal words" not in answer.text
    record = next(r for r in caplog.records if r.name == "flatrender.http.problems")
    assert record.exc_info is not None
    assert record.__dict__["request_id"] == body["request_id"]


async def test_an_answer_that_cannot_be_encoded_is_a_fault_as_well(
    client: httpx.AsyncClient,
) -> None:
    _problem(await client.get("/unencodable"), 500, "internal_error")


async def test_a_lost_database_is_503_with_retry_after(client: httpx.AsyncClient) -> None:
    answer = await client.get("/raise/outage")
    _problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/name", "required"),
        ({"name": 1}, "/name", "wrong_type"),
        ({"name": "a", "tenant_id": "x"}, "/tenant_id", "unknown_field"),
        ({"name": "a", "owner": "zz"}, "/owner", "invalid_format"),
        ({"name": "a", "scenes": [{"key": "k"}, {"key": ""}]}, "/scenes/1/key", "too_short"),
        ({"name": "a", "scenes": [{"key": "123456789"}]}, "/scenes/0/key", "too_long"),
        ({"name": "a", "scenes": [{}]}, "/scenes/0/key", "required"),
        ({"name": "a", "scenes": [{"key": "k", "role": 1}]}, "/scenes/0/role", "unknown_field"),
        ({"name": "a", "scenes": [{"key": "k", "seconds": 0}]}, "/scenes/0/seconds", "too_small"),
        ({"name": "a", "scenes": [{"key": "k", "seconds": 99}]}, "/scenes/0/seconds", "too_large"),
        ({"name": "a", "scenes": [{"key": "bad"}]}, "/scenes/0/key", "key_taken"),
        ({"name": "a", "scenes": {}}, "/scenes", "wrong_type"),
        ({"name": "a", "colors": {"x": "1"}}, "/colors", "wrong_type"),
        ([], "", "wrong_type"),
    ],
)
async def test_body_faults_name_their_place(
    client: httpx.AsyncClient, body: Any, pointer: str, code: str
) -> None:
    problem = _problem(await client.post("/projects", json=body), 422, "validation_failed")
    assert [(e["pointer"], e["code"]) for e in problem["errors"]] == [(pointer, code)]
    assert problem["errors"][0]["detail"]


async def test_an_absent_body_is_a_missing_one(client: httpx.AsyncClient) -> None:
    problem = _problem(await client.post("/projects"), 422, "validation_failed")
    assert [(e["pointer"], e["code"]) for e in problem["errors"]] == [("", "required")]


@pytest.mark.parametrize(
    ("query_string", "pointer", "code"),
    [
        ("", "?size", "required"),
        ("size=x", "?size", "wrong_type"),
        ("size=0", "?size", "too_small"),
        ("size=6", "?size", "too_large"),
        ("size=1&ids=zz", "?ids", "invalid_format"),
        ("size=%FF", "?", "invalid_format"),
        ("size=1&q=%00", "?", "nul_character"),
        ("size=" + "9" * 5000, "?size", None),
    ],
)
async def test_query_faults_name_their_parameter(
    client: httpx.AsyncClient, query_string: str, pointer: str, code: str | None
) -> None:
    problem = _problem(await client.get(f"/query?{query_string}"), 422, "validation_failed")
    assert problem["errors"][0]["pointer"] == pointer
    if code:
        assert problem["errors"][0]["code"] == code


async def test_header_faults_name_their_header(client: httpx.AsyncClient) -> None:
    answer = await client.get("/query?size=1", headers={"x-thing": "abc"})
    assert _problem(answer, 422, "validation_failed")["errors"][0]["pointer"] == "header:x_thing"


def test_pointers_escape_and_stop_at_unknown_keys() -> None:
    assert to_pointer(".a/b.c~d[3]") == "/a~1b/c~0d/3"
    assert to_pointer(".map[...].x") == "/map"
    assert to_pointer("") == ""


def test_words_of_msgspec_that_codes_rest_on() -> None:
    """msgspec's texts are no contract: this fails when an upgrade changes them."""

    class Thing(Struct, tag_field="kind", tag="a"):
        at: Annotated[Any, Meta(extra={})] = None

    cases: list[tuple[Any, bytes, str]] = [
        (Annotated[list[int], Meta(max_length=1)], b"[1,2]", "too_long"),
        (Annotated[list[int], Meta(min_length=1)], b"[]", "too_short"),
        (tuple[int, int], b"[1]", "wrong_length"),
        (Annotated[str, Meta(pattern="^a")], b'"b"', "pattern"),
        (Annotated[int, Meta(multiple_of=2)], b"3", "not_multiple"),
        (Annotated[int, Meta(gt=2)], b"2", "too_small"),
        (Annotated[int, Meta(lt=2)], b"2", "too_large"),
        (float, b"1e999", "out_of_range"),
        (bytes, b'"?"', "invalid_format"),
        (int, b"null", "wrong_type"),
        (Thing, b'{"kind":"zz"}', "not_allowed"),
    ]
    for kind, body, code in cases:
        with pytest.raises(msgspec.ValidationError) as caught:
            msgspec.json.decode(body, type=kind)
        assert code_of(str(caught.value).partition(" - at")[0]) == code, str(caught.value)


def test_unknown_faults_of_msgspec_have_a_code() -> None:
    error = to_domain_error(msgspec.ValidationError("Something new - at `$.x`"))
    assert [(e.pointer, e.code) for e in error.errors] == [("/x", "invalid")]


def test_problem_responses_group_codes_by_status() -> None:
    class Other(Conflict):
        code = "other_conflict"

    specs = problem_responses(NotFound, Conflict, Other)
    assert sorted(specs) == [404, 409]
    assert specs[409].media_type == "application/problem+json"
    assert [example.id for example in specs[409].examples or []] == ["conflict", "other_conflict"]


def test_a_problem_outside_of_any_request_still_has_an_id() -> None:
    _, _, body = encode_problem(Conflict())
    assert len(msgspec.json.decode(body)["request_id"]) == 32
