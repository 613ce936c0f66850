"""The OpenAPI document, its check, and the viewer from our own files."""

import re
from typing import Annotated, Any
from uuid import UUID

import httpx
import jsonschema
import pytest
from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Tag
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Struct

from flatrender.errors import NotFound
from flatrender.http.assets import PAGE_POLICY
from flatrender.http.body import RequestBody
from flatrender.http.idempotency.store import IdempotencyStore
from flatrender.http.openapi import check_openapi, openapi_document
from flatrender.http.pages import CursorPage, CursorParams, Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.http.settings import HttpSettings
from flatrender.testing.http import client_of, make_app


class Thing(Struct):
    """A thing."""

    id: int


class NewThing(RequestBody):
    name: str


class Things(Controller):
    """Things."""

    path = "/v1/things"
    tags = ["things"]  # noqa: RUF012 # Litestar's class attribute
    security = [{"bearer": []}]  # noqa: RUF012 # likewise

    @get("/", operation_id="list_things", summary="List things")
    async def many(self, page_params: NamedDependency[PageParams]) -> Page[Thing]:
        """Read all things, page by page."""
        return page_params.of([], 0)

    @get("/endless", operation_id="follow_things", summary="Follow things")
    async def endless(self, cursor_params: NamedDependency[CursorParams]) -> CursorPage[Thing]:
        """Read all things without end."""
        raise NotFound

    @post(
        "/",
        operation_id="create_thing",
        summary="Create a thing",
        opt={"idempotent": "required"},
    )
    async def create(self, data: JSONBody[NewThing]) -> Thing:
        """Make one more thing."""
        del data
        return Thing(1)

    @get(
        "/{thing_id:uuid}",
        operation_id="get_thing",
        summary="Read a thing",
        responses=problem_responses(NotFound),
    )
    async def one(self, thing_id: FromPath[UUID]) -> Thing:
        """Read one thing."""
        del thing_id
        raise NotFound


TAGS = [Tag(name="things", description="Things that are.")]


def _no_store(context: str) -> IdempotencyStore:
    raise LookupError(context)


def _document(*handlers: Any, tags: list[Tag] = TAGS) -> dict[str, Any]:
    app, _ = make_app(handlers, tags=tags, stores=_no_store)
    return openapi_document(app)


def test_a_well_described_api_passes() -> None:
    assert check_openapi(_document(Things)) == []


def test_errors_are_problems_everywhere() -> None:
    paths = _document(Things)["paths"]
    create = paths["/v1/things"]["post"]["responses"]
    assert sorted(create) == ["201", "400", "401", "409", "413", "415", "422", "500"]
    one = paths["/v1/things/{thing_id}"]["get"]["responses"]
    assert sorted(one) == ["200", "401", "404", "422", "500"]
    assert set(one["404"]["content"]) == {"application/problem+json"}
    assert "not_found" in one["404"]["content"]["application/problem+json"]["examples"]


def test_idempotent_routes_document_their_key() -> None:
    parameters = _document(Things)["paths"]["/v1/things"]["post"]["parameters"]
    assert [(p["name"], p["in"], p["required"]) for p in parameters] == [
        ("Idempotency-Key", "header", True)
    ]


def test_page_parameters_are_documented_with_their_limits() -> None:
    parameters = _document(Things)["paths"]["/v1/things"]["get"]["parameters"]
    size = next(p for p in parameters if p["name"] == "page_size")
    assert (size["schema"]["minimum"], size["schema"]["maximum"]) == (1, 100)
    assert size["schema"]["default"] == 20


def test_examples_of_problems_fit_their_schema() -> None:
    document = _document(Things)
    schema = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    for response in document["components"]["responses"].values():
        for example in response["content"]["application/problem+json"]["examples"].values():
            validator.validate(example["value"])


@get("/unnamed", tags=["things"])
async def unnamed() -> int:
    """Has no operation id."""
    return 1


@get("/untold", operation_id="untold", tags=["things"])
async def untold() -> int:
    return 1


@get("/untagged", operation_id="untagged")
async def untagged() -> int:
    """Has no tag."""
    return 1


@get("/stray", operation_id="stray", tags=["stray"], security=[{"password": []}])
async def stray() -> int:
    """Names a tag and a scheme that do not exist."""
    return 1


@get("/unbounded", operation_id="unbounded", tags=["things"])
async def unbounded(
    count: FromQuery[int],
    ratio: FromQuery[float | None] = None,
    fine: Annotated[int | None, QueryParameter(ge=1, le=3)] = None,
) -> int:
    """Takes numbers without limits."""
    del count, ratio, fine
    return 1


@delete("/bare-error", operation_id="bare_error", tags=["things"], raises=[])
async def bare_error() -> None:
    """Is spoilt below."""


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (unnamed, "no operation_id"),
        (untold, "no description"),
        (untagged, "no tags"),
        (stray, "'stray' is not declared"),
        (stray, "'password' is unknown"),
        (unbounded, "'count' has no bounds"),
        (unbounded, "'ratio' has no bounds"),
    ],
)
def test_the_check_names_each_fault(handler: Any, words: str) -> None:
    faults = check_openapi(_document(handler))
    assert any(
        words in fault and handler.handler_name in fault.replace("/", "") for fault in faults
    )
    assert not any("'fine'" in fault for fault in faults)


def test_the_check_refuses_errors_that_are_no_problems() -> None:
    document = _document(bare_error)
    responses = document["paths"]["/bare-error"]["delete"]["responses"]
    responses["409"] = {"description": "x", "content": {"application/json": {"schema": {}}}}
    responses["410"] = {"description": "x", "content": {}}
    responses["412"] = {
        "description": "x",
        "content": {"application/problem+json": {"schema": {"type": "object"}}},
    }
    faults = " ".join(check_openapi(document))
    assert "409 is not application/problem+json" in faults
    assert "410 is not application/problem+json" in faults
    assert "412 does not refer to Problem" in faults
    for status in [status for status in responses if status[0] in "45"]:
        del responses[status]
    assert any("documents no error" in fault for fault in check_openapi(document))
    del responses["204"]
    assert any("documents no success" in fault for fault in check_openapi(document))


def test_an_error_may_be_the_report_that_the_success_is() -> None:
    document = _document(bare_error)
    responses = document["paths"]["/bare-error"]["delete"]["responses"]
    report = {"content": {"application/json": {"schema": {"type": "object", "title": "Report"}}}}
    other = {"content": {"application/json": {"schema": {"type": "object", "title": "Other"}}}}
    responses["200"] = {"description": "all is well", **report}
    responses["503"] = {"description": "not well", **report}
    responses["502"] = {"description": "not well", **other}
    faults = " ".join(check_openapi(document))
    assert "502 is not application/problem+json" in faults
    assert "503" not in faults


def test_the_check_refuses_double_ids_and_mute_tags() -> None:
    document = _document(Things, tags=[Tag(name="things")])
    document["paths"]["/twin"] = {"get": document["paths"]["/v1/things"]["get"]}
    faults = check_openapi(document)
    assert "tag things: no description" in faults
    assert any("list_things is also" in fault for fault in faults)


@pytest.fixture
async def client() -> Any:
    app, _ = make_app([Things], tags=TAGS, stores=_no_store)
    async with client_of(app) as made:
        yield made


async def test_the_document_is_served_with_its_tag(client: httpx.AsyncClient) -> None:
    answer = await client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json"
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    assert check_openapi(document) == []
    assert not any(path.startswith(("/docs", "/openapi")) for path in document["paths"])
    again = await client.get("/openapi.json", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_viewer_comes_whole_from_our_own_files(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"] == PAGE_POLICY
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 5
    for link in links:
        assert link.startswith("/")
        assert (await client.get(link)).status_code == 200, link
    assert not re.search(r"<style|<script>|\son\w+=|\sstyle=", page.text)  # the policy forbids them
    bundle = await client.get("/docs/swagger-ui-bundle.js")
    assert bundle.headers["content-type"].startswith("text/javascript")
    assert len(bundle.content) > 1_000_000


@pytest.mark.parametrize("source", ["'unsafe-inline'", "'unsafe-eval'", "http", "*"])
def test_the_viewers_policy_allows_only_ourselves(source: str) -> None:
    assert source not in PAGE_POLICY
    assert "default-src 'none'" in PAGE_POLICY


@pytest.mark.parametrize(
    "name", ["LICENSE", "index.html", "..%2Fsettings.py", "%2e%2e/setup.py", "x"]
)
async def test_no_other_file_can_be_read(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/docs/{name}")).status_code == 404


async def test_documentation_can_be_turned_off() -> None:
    app, _ = make_app([Things], HttpSettings(docs_enabled=False), tags=TAGS, stores=_no_store)
    async with client_of(app) as client:
        for path in ("/docs", "/docs/viewer.js", "/openapi.json", "/openapi-viewers", "/schema"):
            assert (await client.get(path)).status_code == 404, path
    assert check_openapi(openapi_document(app)) == []
