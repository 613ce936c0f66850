"""Who runs the farm proves it anew before a machine or a rule of it changes."""

from uuid import uuid4

import pytest

from flatrender.testing.platform import Platform

_NODE = "00000000-0000-7000-8000-000000000001"  # nobody's: the guard speaks first
_RULE = {
    "version": 0,
    "error_class": "node",
    "action": "elsewhere",
    "explanation_fa": "f",
    "explanation_en": "e",
}


@pytest.fixture(scope="module")
async def tired(platform: Platform) -> dict[str, str]:
    """Headers of an administrator whose second factor is a day old."""
    admin = await platform.admin()
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '1 day' WHERE user_id = $1",
        admin.id,
    )
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": admin.refresh_token}
    )
    assert renewed.status_code == 200, renewed.text
    return {"Authorization": f"Bearer {renewed.json()['access_token']}"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/admin/nodes", {"name": "by-the-tired"}),
        ("POST", f"/v1/admin/nodes/{_NODE}/secret", None),
        ("DELETE", f"/v1/admin/nodes/{_NODE}", None),
        ("PUT", "/v1/admin/failure-rules/by_the_tired", _RULE),
        ("DELETE", "/v1/admin/failure-rules/by_the_tired", None),
    ],
)
async def test_a_stale_second_factor_changes_no_machine_and_no_rule(
    platform: Platform,
    tired: dict[str, str],
    method: str,
    path: str,
    body: dict[str, object] | None,
) -> None:
    answer = await platform.client.request(method, path, json=body, headers=tired)
    assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required")


async def test_names_and_numbers_of_the_farm_are_whole(platform: Platform) -> None:
    """A newline at the end is part of a name; an exit code is what a system can return."""
    admin = await platform.admin()
    for method, path, body in (
        ("POST", "/v1/admin/nodes", {"name": f"n-{uuid4().hex[:8]}\n"}),
        ("PUT", "/v1/admin/failure-rules/whole", {**_RULE, "engine": "lottie\n"}),
        ("PUT", "/v1/admin/failure-rules/whole", {**_RULE, "exit_codes": [2**40]}),
    ):
        headers = {**admin.headers, "Idempotency-Key": uuid4().hex}
        answer = await platform.client.request(method, path, json=body, headers=headers)
        assert answer.status_code == 422, answer.text
