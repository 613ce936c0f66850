"""OPTIONS tells anybody what a path takes, and nothing else (RFC 9110 section 9.3.7)."""

import re
from uuid import uuid4

import pytest
from litestar.routes import HTTPRoute

from flatrender.testing.platform import Platform


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense"])
async def test_every_path_tells_its_methods(platform: Platform, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    wrong, asked = [], 0
    for route in platform.app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        path = re.sub(r"\{[^}]*:int\}", "1", route.path)
        path = re.sub(r"\{[^}]*\}", str(uuid4()), path)
        answer = await platform.client.request("OPTIONS", path, headers=headers)
        asked += 1
        told = (answer.status_code, answer.headers.get("allow"), answer.content)
        if told != (204, ", ".join(sorted(route.methods)), b""):
            wrong.append((path, told))
    assert wrong == []
    assert asked > 50


async def test_a_guarded_path_still_asks_who_calls(platform: Platform) -> None:
    told = await platform.client.request("OPTIONS", "/v1/me")
    assert (told.status_code, told.headers["allow"]) == (204, "GET, OPTIONS, PATCH")
    assert "set-cookie" not in told.headers
    assert told.headers["x-content-type-options"] == "nosniff"
    for method in ("GET", "PATCH"):
        answer = await platform.client.request(method, "/v1/me")
        assert answer.status_code == 401, method


async def test_a_missing_path_tells_nothing(platform: Platform) -> None:
    answer = await platform.client.request("OPTIONS", "/v1/nowhere")
    assert answer.status_code == 404
