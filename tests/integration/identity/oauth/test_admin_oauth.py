"""Setting providers up: who may, what is kept, what is shown, what is written down."""

import json
from typing import Any

import pytest
from openid_provider import HOME, PAGE, SECRET, someone

_MASK = "••••••test"


async def _read(deployment: Any, name: str = "google") -> dict[str, Any]:
    answer = await deployment.platform.client.get(
        f"/v1/admin/oauth/{name}", headers=deployment.admin.headers
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _audit(deployment: Any, action: str) -> list[Any]:
    return await deployment.platform.sql(
        "SELECT before, after, reason, actor_id FROM identity.audit_log WHERE action = $1 "
        "AND tenant_id = $2 ORDER BY created_at",
        action,
        deployment.admin.tenant_id,
    )


async def test_the_secret_is_sealed_masked_and_kept(deployment: Any, browser: Any) -> None:
    shown = await _read(deployment)
    assert shown["client_secret"] == _MASK
    assert shown["redirect_uri"] == f"{HOME}/v1/auth/google/callback"
    for unchanged in (_MASK, "", None):
        saved = await deployment.save("google", deployment.google, client_secret=unchanged)
        assert saved.json()["client_secret"] == _MASK
    deployment.google.person = someone()
    assert "access_token" in await browser.sign_in()
    stored = await deployment.platform.sql(
        "SELECT client_secret_enc FROM identity.oauth_config WHERE provider = 'google' "
        "AND tenant_id = $1",
        deployment.admin.tenant_id,
    )
    assert SECRET.encode() not in stored[0]["client_secret_enc"]
    listed = await deployment.platform.client.get(
        "/v1/admin/oauth", headers=deployment.admin.headers
    )
    assert SECRET not in listed.text
    assert {"google", "other"} <= {one["provider"] for one in listed.json()["data"]}


async def test_a_kept_secret_is_never_sent_to_another_issuer(deployment: Any) -> None:
    """Who may change the settings, and does not know the secret, does not get it that way."""
    for change in (
        {"issuer": deployment.other.issuer},
        {"discovery_url": f"{deployment.other.issuer}/.well-known/openid-configuration"},
    ):
        refused = await deployment.save("google", deployment.google, client_secret=_MASK, **change)
        assert refused.status_code == 422
        assert [(e["pointer"], e["code"]) for e in refused.json()["errors"]] == [
            ("/client_secret", "secret_needed")
        ]
    assert (await _read(deployment))["issuer"] == deployment.google.issuer


async def test_every_change_is_written_down_without_the_secret(deployment: Any) -> None:
    await deployment.save(
        "google", deployment.google, name_en="Work", client_secret="another-secret-of-a-test"
    )
    last = (await _audit(deployment, "oauth_provider.change"))[-1]
    before, after = json.loads(last["before"]), json.loads(last["after"])
    assert (before["name_en"], after["name_en"]) == ("google", "Work")  # a button says something
    assert after["client_secret"] == "changed"
    assert last["reason"] == "for tests"
    assert last["actor_id"] == deployment.admin.id
    for word in (SECRET, "another-secret-of-a-test"):
        assert word not in last["before"] + last["after"]


async def test_the_connection_is_tested_without_a_person(deployment: Any) -> None:
    async def test() -> dict[str, Any]:
        answer = await deployment.platform.client.post(
            "/v1/admin/oauth/google/test", headers=deployment.admin.headers
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    good = await test()
    assert (good["ok"], good["client"], good["keys"]) == (True, "accepted", 1)
    await deployment.save("google", deployment.google, client_secret="not-the-secret-at-all")
    wrong = await test()
    assert (wrong["ok"], wrong["client"]) == (False, "refused")
    assert (await _read(deployment))["test_result"] == wrong
    await deployment.save(
        "google", deployment.google, issuer="http://127.0.0.1:9", client_secret=SECRET
    )
    away = await test()
    assert (away["ok"], away["problem"] != "") == (False, True)
    assert len(await _audit(deployment, "oauth_provider.test")) >= 3


async def test_a_discovery_document_of_another_issuer_is_not_believed(
    deployment: Any, browser: Any
) -> None:
    await deployment.save(
        "google",
        deployment.google,
        client_secret=SECRET,
        discovery_url=f"{deployment.other.issuer}/.well-known/openid-configuration",
    )
    answer = await browser.get("/v1/auth/google/start")
    assert (answer.status_code, answer.json()["code"]) == (503, "oauth_unavailable")


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"issuer": "http://10.0.0.1"}, "/issuer", "url_refused"),
        ({"issuer": "http://169.254.169.254"}, "/issuer", "url_refused"),
        ({"discovery_url": "http://[fd00::1]/x"}, "/discovery_url", "url_refused"),
        ({"discovery_url": "ftp://example.com/x"}, "/discovery_url", "url_refused"),
        ({"return_urls": ["//evil.example"]}, "/return_urls/0", "page_invalid"),
        ({"return_urls": [PAGE, "https://a@evil.example/"]}, "/return_urls/1", "page_invalid"),
        ({"return_urls": [f"{PAGE}#x"]}, "/return_urls/0", "page_invalid"),
        ({"return_urls": ["http://app.example.com/"]}, "/return_urls/0", "page_invalid"),
        ({"return_urls": []}, "/return_urls", "required"),
        ({"client_id": ""}, "/client_id", "required"),
        ({"scopes": ["openid", "a b"]}, "/scopes/1", "scope_invalid"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
async def test_what_cannot_work_is_refused(
    deployment: Any, change: dict[str, Any], pointer: str, code: str
) -> None:
    body = {"client_secret": SECRET, **change}
    refused = await deployment.save("google", deployment.google, **body)
    assert refused.status_code == 422, refused.text
    assert (pointer, code) in [(e["pointer"], e["code"]) for e in refused.json()["errors"]]


@pytest.mark.parametrize("name", ["mfa", "link", "oauth", "Google", "a-b", "9x", "x" * 42])
async def test_names_that_could_not_be_called_are_refused(deployment: Any, name: str) -> None:
    refused = await deployment.save(name, deployment.google)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "name_refused")


async def test_only_administrators_with_a_fresh_factor(deployment: Any) -> None:
    platform = deployment.platform
    person = await platform.person()
    refused = await deployment.platform.client.get("/v1/admin/oauth", headers=person.headers)
    assert refused.status_code == 403
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '1 hour' WHERE user_id = $1",
        deployment.admin.id,
    )
    stale = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": deployment.admin.refresh_token}
    )
    headers = {"Authorization": f"Bearer {stale.json()['access_token']}"}
    for method, path in (("PUT", "google"), ("POST", "google/test")):
        answer = await platform.client.request(
            method, f"/v1/admin/oauth/{path}", json={"reason": "no factor"}, headers=headers
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required")
    assert (await platform.client.get("/v1/admin/oauth/google", headers=headers)).status_code == 200


async def test_another_tenant_sees_none_of_it(deployment: Any) -> None:
    _, key = await deployment.platform.tenant()
    stranger = await deployment.platform.admin(tenant_key=key)
    for method, path in (("GET", "google"), ("POST", "google/test")):
        answer = await deployment.platform.client.request(
            method, f"/v1/admin/oauth/{path}", headers=stranger.headers
        )
        assert answer.status_code == 404
    listed = await deployment.platform.client.get("/v1/admin/oauth", headers=stranger.headers)
    assert listed.json()["data"] == []
