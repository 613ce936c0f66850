"""Tenants' shares of the farm over HTTP: who sets them, who may not."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.testing.platform import Person, Platform

URL = "/v1/admin/tenant-shares"
Body = dict[str, Any]


@pytest.fixture(scope="module")
async def operator(platform: Platform) -> Person:
    """An administrator of the farm, second factor done."""
    return await platform.admin()


async def put(platform: Platform, person: Person, tenant: UUID, **body: Any) -> Any:
    return await platform.client.put(
        f"{URL}/{tenant}", json={"reason": "new contract", **body}, headers=person.headers
    )


async def stored(platform: Platform, tenant: UUID) -> list[Any]:
    return await platform.sql(
        "SELECT weight, max_running_frames, max_running_frames_per_user "
        "FROM render.tenant_shares WHERE tenant_id = $1",
        tenant,
    )


async def test_a_share_is_set_read_and_listed(platform: Platform, operator: Person) -> None:
    tenant, _ = await platform.tenant()
    before = await platform.client.get(f"{URL}/{tenant}", headers=operator.headers)
    assert before.status_code == 200, before.text
    share = before.json()["share"]
    assert (share["weight"], share["max_running_frames"], share["updated_at"]) == (1, None, None)

    answer = await put(platform, operator, tenant, weight=999.5, max_running_frames=4)
    assert answer.status_code == 200, answer.text
    await put(platform, operator, tenant, weight=999.5, max_running_frames_per_user=2)
    share = (await platform.client.get(f"{URL}/{tenant}", headers=operator.headers)).json()
    assert share["share"]["max_running_frames"] is None  # what a body leaves out has its default
    assert share["share"]["max_running_frames_per_user"] == 2
    newest, first = share["changes"]
    assert (newest["max_running_frames"], first["max_running_frames"]) == (None, 4)
    assert (newest["changed_by"], newest["reason"]) == (str(operator.id), "new contract")

    listed = await platform.client.get(f"{URL}?page_size=100", headers=operator.headers)
    mine = [row for row in listed.json()["data"] if row["tenant_id"] == str(tenant)]
    assert [(row["name"], row["weight"]) for row in mine] == [("Reseller", 999.5)]
    page = await platform.client.get(f"{URL}?page_size=1", headers=operator.headers)
    assert len(page.json()["data"]) == 1
    assert page.json()["meta"]["total"] >= 1


async def test_the_share_of_another_tenant_stays(platform: Platform, operator: Person) -> None:
    (one, _), (other, _) = await platform.tenant(), await platform.tenant()
    await put(platform, operator, other, weight=3)
    await put(platform, operator, one, weight=5)
    assert [tuple(row) for row in await stored(platform, other)] == [(3.0, None, None)]


async def test_an_unknown_tenant_has_none(platform: Platform, operator: Person) -> None:
    nobody = uuid4()
    for answer in (
        await platform.client.get(f"{URL}/{nobody}", headers=operator.headers),
        await put(platform, operator, nobody, weight=2),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await stored(platform, nobody) == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"weight": 0}, "/weight"),
        ({"weight": -1}, "/weight"),
        ({"weight": 1e9}, "/weight"),
        ({"max_running_frames": 0}, "/max_running_frames"),
        ({"max_running_frames_per_user": 1.5}, "/max_running_frames_per_user"),
        ({"reason": ""}, "/reason"),
        ({"virtual_time": 0}, "/virtual_time"),
    ],
)
async def test_what_cannot_be_a_share_is_refused(
    platform: Platform, operator: Person, body: Body, pointer: str
) -> None:
    tenant, _ = await platform.tenant()
    answer = await put(platform, operator, tenant, **body)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert await stored(platform, tenant) == []


async def test_administrators_of_other_tenants_customers_and_strangers_may_not(
    platform: Platform, operator: Person
) -> None:
    """The walls: role, tenant, second factor, a fresh one. Nothing changes behind any of them."""
    tenant, key = await platform.tenant()
    theirs = await platform.admin(tenant_key=key)
    customer = await platform.person()
    half = await platform.person(role="admin")
    for headers, codes in (
        ({}, {401}),
        (customer.headers, {403}),
        (half.headers, {403}),
        (theirs.headers, {401, 403}),
    ):
        for method, url in (("GET", URL), ("GET", f"{URL}/{tenant}"), ("PUT", f"{URL}/{tenant}")):
            body = {"weight": 9, "reason": "mine"} if method == "PUT" else None
            answer = await platform.client.request(method, url, json=body, headers=headers)
            assert answer.status_code in codes, (method, url, answer.text)
            assert answer.headers["content-type"].startswith("application/problem+json")
    assert await stored(platform, tenant) == []


async def test_a_stale_second_factor_reads_and_does_not_write(platform: Platform) -> None:
    tenant, _ = await platform.tenant()
    tired = await platform.admin()
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '1 day' WHERE user_id = $1",
        tired.id,
    )
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": tired.refresh_token}
    )
    assert renewed.status_code == 200, renewed.text
    headers = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    assert (await platform.client.get(f"{URL}/{tenant}", headers=headers)).status_code == 200
    answer = await platform.client.put(
        f"{URL}/{tenant}", json={"weight": 2, "reason": "late"}, headers=headers
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required")
    assert await stored(platform, tenant) == []
