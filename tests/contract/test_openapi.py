"""The published description of the whole app holds: names, answers, security, no loose ends."""

from typing import Any

import pytest

from flatrender.app import create_app
from flatrender.http.openapi.check import check_openapi
from flatrender.http.openapi.document import openapi_document
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
    assert names == {"TokenAnswer", "BrowserAnswer", "MfaAnswer"}
