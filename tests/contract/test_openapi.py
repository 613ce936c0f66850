"""The published description of the whole app holds: names, answers, security, no loose ends."""

from typing import Any

import msgspec
import pytest

from flatrender.app import create_app
from flatrender.http.openapi.check import check_openapi
from flatrender.http.openapi.document import openapi_document
from flatrender.observability.health import HealthReport
from flatrender.settings import load_settings


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document(create_app(load_settings({"FLATRENDER_ENVIRONMENT": "test"})))


def test_the_whole_app_is_described_properly(document: dict[str, Any]) -> None:
    assert check_openapi(document) == []


def test_what_clients_call_is_there(document: dict[str, Any]) -> None:
    names = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict) and "operationId" in operation
    }
    assert names >= {"create_saved_project", "fill_saved_project", "list_notifications", "login"}


def test_every_operation_names_the_credentials_it_takes(document: dict[str, Any]) -> None:
    paths = document["paths"]
    bearer, cookie = {"bearer": []}, {"session_cookie": []}
    changing = {"session_cookie": [], "csrf_token": []}
    assert paths["/v1/me"]["get"]["security"] == [bearer, cookie]
    assert paths["/v1/me"]["patch"]["security"] == [bearer, changing]
    assert {"401", "403"} <= paths["/v1/me"]["patch"]["responses"].keys()
    assert paths["/v1/plans"]["get"]["security"] == [{}, bearer, cookie]
    assert not paths["/v1/auth/login"]["post"].get("security")
    assert "content" not in paths["/v1/auth/logout"]["post"]["responses"]["204"]
    login = paths["/v1/auth/login"]["post"]["responses"]["200"]["content"]["application/json"]
    names = {option["$ref"].rpartition("/")[2] for option in login["schema"]["oneOf"]}
    assert names == {"TokenAnswer", "BrowserAnswer", "MfaAnswer", "PasswordChangeAnswer"}


def _operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and "responses" in operation
    }


def test_what_stands_before_every_handler_of_a_context_is_documented(
    document: dict[str, Any],
) -> None:
    operations = _operations(document)
    of_contexts = {name: o for name, o in operations.items() if "Health" not in o["tags"]}
    assert len(of_contexts) > 200
    for name, operation in of_contexts.items():
        assert {"400", "503"} <= operation["responses"].keys(), name
    limited = {n for n, o in of_contexts.items() if "429" in o["responses"]}
    assert {"GET /v1/renders", "POST /v1/saved-projects", "GET /v1/plans"} <= limited
    for name, operation in operations.items():
        if "412" in operation["responses"]:  # without If-Match it is 428
            assert "428" in operation["responses"], name
        if operation.get("security") == [{"node_signature": []}]:
            assert "403" in operation["responses"], name


def test_scans_of_a_template_of_another_engine_are_refused_as_documented(
    document: dict[str, Any],
) -> None:
    listed = _operations(document)["GET /v1/admin/templates/{template_id}/scans"]
    examples = listed["responses"]["409"]["content"]["application/problem+json"]["examples"]
    assert "engine_mismatch" in examples


@pytest.mark.parametrize("asked", ["claims", "claims/batch", "renditions", "scans"])
def test_a_node_that_asks_for_work_may_be_told_that_there_is_none(
    document: dict[str, Any], asked: str
) -> None:
    answers = _operations(document)[f"POST /v1/node/{asked}"]["responses"]
    assert "content" in answers["200"]
    assert "content" not in answers["204"]


def test_a_process_that_is_not_ready_answers_the_same_report(document: dict[str, Any]) -> None:
    answers = _operations(document)["GET /health/ready"]["responses"]
    assert set(answers) == {"200", "500", "503"}
    ready, not_ready = (answers[status]["content"]["application/json"] for status in ("200", "503"))
    assert ready["schema"] == not_ready["schema"]
    shown = {
        name: msgspec.convert(example["value"], HealthReport)
        for name, example in not_ready["examples"].items()
    }
    assert {name: report.status for name, report in shown.items()} == {
        "failed": "failed",
        "stopping": "stopping",
    }


def test_a_snapshot_that_is_being_drawn_is_documented(document: dict[str, Any]) -> None:
    answers = _operations(document)["POST /v1/snapshots"]["responses"]
    at_once, later = (answers[status]["content"]["application/json"] for status in ("200", "202"))
    assert at_once["schema"] == later["schema"]


def test_streams_and_schemas_have_their_own_types(document: dict[str, Any]) -> None:
    operations = _operations(document)
    streams = [name for name in operations if name.endswith("/stream")]
    assert len(streams) >= 3
    for name in streams:
        assert set(operations[name]["responses"]["200"]["content"]) == {"text/event-stream"}, name
    table = operations["GET /v1/admin/audit/export"]["responses"]["200"]["content"]
    assert set(table) == {"text/csv", "application/x-ndjson"}
    schemas = [name for name in operations if name.startswith("GET /schemas/")]
    assert len(schemas) >= 4
    for name in schemas:
        content = operations[name]["responses"]["200"]["content"]["application/schema+json"]
        assert content["schema"]["type"] == "object", name
