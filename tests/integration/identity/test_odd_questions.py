"""Filters and reasons that no honest client sends are refused, and nothing breaks on them."""

from uuid import uuid4

import pytest

from flatrender.testing.platform import Platform

FAR = ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59")


async def test_a_filter_is_refused_before_the_database_sees_it(platform: Platform) -> None:
    admin = await platform.admin()
    asked = [
        *(("/v1/admin/audit", {name: far}) for name in ("since", "until") for far in FAR),
        *(("/v1/users", {name: far}) for name in ("created_from", "created_to") for far in FAR),
        ("/v1/admin/audit", {"since": "2026-01-01T00:00:00"}),
        ("/v1/admin/audit", {"since": "2026-01-01T00:00:00", "until": "2026-02-01T00:00:00Z"}),
        ("/v1/admin/audit", {"address": "fe80::1%eth0"}),
        ("/v1/admin/audit", {"address": "10.0.0.1/255.255.255.0"}),
        ("/v1/admin/audit", {"address": "10.0.0.1/"}),
        ("/v1/users", {"created_from": "2026-02-01T00:00:00Z", "created_to": "2026-01-01T00:00Z"}),
    ]
    for path, query in asked:
        for place in (path, f"{path}/export"):
            refused = await platform.client.get(place, params=query, headers=admin.headers)
            assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed"), (
                place,
                query,
                refused.text,
            )
            pointer = refused.json()["errors"][0]["pointer"]
            assert pointer.removeprefix("?") in query, (place, query, pointer)
    for address in ("10.0.0.0/8", "10.1.2.3", "fe80::/10"):
        found = await platform.client.get(
            "/v1/admin/audit", params={"address": address}, headers=admin.headers
        )
        assert found.status_code == 200, found.text


@pytest.mark.parametrize("reason", ["   ", " a  ", "\u00a0\u00a0\u00a0", "ab"])
async def test_blanks_are_no_reason(platform: Platform, reason: str) -> None:
    admin = await platform.admin()
    for act in ("ban", "unban", "password", "impersonation", "mfa/reset"):
        refused = await platform.client.post(
            f"/v1/users/{uuid4()}/{act}", json={"reason": reason}, headers=admin.headers
        )
        assert refused.status_code == 422, act
        assert refused.json()["errors"][0]["pointer"] == "/reason"


async def test_lists_of_renders_refuse_them_as_well(platform: Platform) -> None:
    admin = await platform.admin()
    for path, names in (("/v1/renders", ("since", "before")), ("/v1/admin/farm/acts", ("since",))):
        for query in [{name: far} for name in names for far in FAR]:
            refused = await platform.client.get(path, params=query, headers=admin.headers)
            assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")
        naive = {"since": "2026-01-01T00:00:00"}  # taken as UTC there
        found = await platform.client.get(path, params=naive, headers=admin.headers)
        assert found.status_code == 200, found.text


@pytest.mark.parametrize("path", ["/v1/admin/audit/export", "/v1/users/export"])
async def test_whole_files_want_a_fresh_factor(platform: Platform, path: str) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    taken = await platform.client.get(path, headers=admin.headers)
    assert taken.status_code == 200, taken.text
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '1 hour' WHERE user_id = $1",
        admin.id,
    )
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": admin.refresh_token}
    )
    stale = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    refused = await platform.client.get(path, headers=stale)
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
