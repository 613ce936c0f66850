"""Devices that people trust: the second factor is skipped at login there, and nothing else is."""

from typing import Any

import httpx
import jwt
import pytest

from flatrender.testing.platform import PASSWORD, Platform

ORIGIN = "http://testserver.local"
PATH = "/v1/me/mfa/trusted-devices"


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def login(someone: Any, token: str | None, password: str = PASSWORD) -> Any:
    body = {"email": someone.person.email, "password": password}
    if token is not None:
        body["trusted_device_token"] = token
    return await someone.platform.client.post("/v1/auth/login", json=body, headers=someone.tenant)


async def trust(someone: Any, **more: Any) -> Any:
    """Finish a login by the passkey and ask to trust the device."""
    pending = await someone.pending()
    asked = (await someone.ask_second(pending["mfa_token"])).json()
    used = someone.device.get(asked["public_key"])
    answer = await someone.verify(
        pending["mfa_token"], passkey=used, trust_device=True, device="Kitchen", **more
    )
    assert answer.status_code == 200, answer.text
    return answer


async def listed(someone: Any) -> list[dict[str, Any]]:
    answer = await someone.platform.client.get(PATH, headers=someone.person.headers)
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def asks(someone: Any, token: str | None, password: str = PASSWORD) -> bool:
    """True when a login asks for the second factor."""
    answer = await login(someone, token, password)
    assert answer.status_code == 200, answer.text
    asked: bool = answer.json()["mfa_required"]
    return asked


async def test_a_trusted_device_skips_the_second_factor_and_never_step_up(
    platform: Platform, keyed: Any, post: Any
) -> None:
    someone = await keyed()
    assert (await someone.pending())["trust_days"] == 30
    answer = await trust(someone)
    token = answer.json()["trusted_device_token"]
    assert len(token) > 40
    opened = await login(someone, token)
    assert opened.json()["mfa_required"] is False
    claims = jwt.decode(opened.json()["access_token"], options={"verify_signature": False})
    assert claims["mfa_at"] == 0
    headers = {"Authorization": f"Bearer {opened.json()['access_token']}"}
    sessions = await platform.client.get("/v1/me/sessions", headers=headers)
    (current,) = [one for one in sessions.json()["data"] if one["current"]]
    assert current["methods"] == ["pwd", "trusted_device"]
    refused(await someone.post("/v1/me/mfa/recovery-codes", None, headers), 403, "step_up_required")
    (line,) = await listed(someone)
    assert line["name"] == "Kitchen"
    assert line["last_used_at"] is not None
    told = await post.last(someone.person.email, "device_trusted")
    assert told["params"] == {"device": "Kitchen", "days": "30"}
    rows = await platform.sql(
        "SELECT token_hash FROM identity.trusted_devices WHERE user_id = $1", someone.person.id
    )
    assert token.encode() not in bytes(rows[0][0])
    wrong = await login(someone, token, "wrong-horse-battery-1")
    refused(wrong, 401, "invalid_credentials")  # the password comes first all the same
    for other in ("", "ft1.", "ft1." + "A" * 43, token[:-1], token + "A"):
        assert await asks(someone, other) is True, other


async def test_nobody_is_trusted_unasked_or_with_anothers_token(keyed: Any) -> None:
    someone, other = await keyed(), await keyed()
    pending = await someone.pending()
    plain = await someone.second(pending["mfa_token"])
    assert plain.json()["trusted_device_token"] is None
    assert await listed(someone) == []
    token = (await trust(other)).json()["trusted_device_token"]
    assert await asks(someone, token) is True
    assert await asks(other, token) is False


async def test_a_link_and_a_recovery_code_go_with_trust(
    platform: Platform, keyed: Any, post: Any
) -> None:
    someone = await keyed()
    pending = await someone.pending()
    answer = await someone.verify(pending["mfa_token"], code=someone.codes[0], trust_device=True)
    token = answer.json()["trusted_device_token"]
    email = someone.person.email
    await platform.client.post("/v1/auth/magic-link", json={"identifier": email})
    body = {
        "identifier": email,
        "code": await post.code(email, "magic_link"),
        "trusted_device_token": token,
    }
    opened = await platform.client.post("/v1/auth/magic-link/complete", json=body)
    assert opened.json()["mfa_required"] is False, opened.text


async def test_in_a_browser_the_token_is_a_cookie(platform: Platform, keyed: Any) -> None:
    someone = await keyed()
    transport = platform.client._transport
    page = {"origin": ORIGIN}
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as browser:
        body = {"email": someone.person.email, "password": PASSWORD, "mode": "browser"}
        pending = (await browser.post("/v1/auth/login", json=body, headers=page)).json()
        proof = {
            "mfa_token": pending["mfa_token"],
            "code": someone.codes[1],
            "mode": "browser",
            "trust_device": True,
        }
        opened = await browser.post("/v1/auth/mfa/verify", json=proof, headers=page)
        assert opened.status_code == 200, opened.text
        assert "trusted_device_token" not in opened.json()
        (told,) = [
            one for one in opened.headers.get_list("set-cookie") if one.startswith("fr_trusted=")
        ]
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=2592000"} <= set(told.split("; "))
        csrf = {**page, "x-csrf-token": opened.json()["csrf_token"]}
        assert (await browser.post("/v1/auth/logout", headers=csrf)).status_code == 204
        again = await browser.post("/v1/auth/login", json=body, headers=page)
        assert again.json()["mfa_required"] is False, again.text
        token_mode = {key: value for key, value in body.items() if key != "mode"}
        other = await browser.post("/v1/auth/login", json=token_mode)
        assert other.json()["mfa_required"] is True  # a body's token, or none


async def test_trust_ends_by_its_owner(platform: Platform, keyed: Any) -> None:
    someone, stranger = await keyed(), await keyed()
    tokens = [(await trust(someone)).json()["trusted_device_token"] for _ in range(3)]
    lines = await listed(someone)
    missing = "00000000-0000-4000-8000-000000000000"
    answers = [
        await platform.client.delete(f"{PATH}/{number}", headers=stranger.person.headers)
        for number in (lines[0]["id"], missing)
    ]
    found = [{**one.json(), "request_id": "", "instance": ""} for one in answers]
    assert found[0] == found[1]
    assert answers[0].status_code == 404
    ended = await platform.client.delete(f"{PATH}/{lines[0]['id']}", headers=someone.person.headers)
    assert ended.status_code == 204
    assert [await asks(someone, token) for token in tokens] == [False, False, True]
    again = await platform.client.delete(f"{PATH}/{lines[0]['id']}", headers=someone.person.headers)
    assert again.status_code == 404
    assert (await platform.client.delete(PATH, headers=someone.person.headers)).status_code == 204
    assert [await asks(someone, token) for token in tokens] == [True] * 3
    assert await listed(someone) == []


NEW = "another-long-password-7"


async def _password(someone: Any, post: Any) -> str:
    body = {"new_password": NEW}
    assert (await someone.post("/v1/me/password", body)).status_code == 200
    return NEW


async def _recovery(someone: Any, post: Any) -> str:
    email, client = someone.person.email, someone.platform.client
    await client.post("/v1/auth/recovery", json={"identifier": email})
    body = {
        "identifier": email,
        "code": await post.code(email, "reset_password"),
        "password": NEW,
    }
    assert (await client.post("/v1/auth/recovery/complete", json=body)).status_code == 204
    return NEW


async def _all_sessions(someone: Any, post: Any) -> str:
    ended = await someone.platform.client.delete("/v1/me/sessions", headers=someone.person.headers)
    assert ended.status_code == 204
    return PASSWORD


async def _another_passkey(someone: Any, post: Any) -> str:
    assert (await someone.register("second")).status_code == 201
    return PASSWORD


async def _one_passkey_less(someone: Any, post: Any) -> str:
    headers, client = someone.person.headers, someone.platform.client
    lines = await client.get("/v1/me/mfa/passkeys", headers=headers)
    number = lines.json()["data"][0]["id"]
    await someone.platform.sql(  # so that a factor is left
        "INSERT INTO identity.mfa_factors (tenant_id, user_id, kind, secret_enc, confirmed_at) "
        "SELECT tenant_id, id, 'totp', 'x', now() FROM identity.users WHERE id = $1",
        someone.person.id,
    )
    gone = await client.delete(f"/v1/me/mfa/passkeys/{number}", headers=headers)
    assert gone.status_code == 204, gone.text
    return PASSWORD


async def _new_codes(someone: Any, post: Any) -> str:
    assert (await someone.post("/v1/me/mfa/recovery-codes")).status_code == 201
    return PASSWORD


@pytest.mark.parametrize(
    "act",
    [_password, _recovery, _all_sessions, _another_passkey, _one_passkey_less, _new_codes],
)
async def test_trust_ends_with(keyed: Any, post: Any, act: Any) -> None:
    someone = await keyed()
    token = (await trust(someone)).json()["trusted_device_token"]
    assert await asks(someone, token) is False
    password = await act(someone, post)
    assert await asks(someone, token, password) is True


async def test_trust_runs_out(platform: Platform, keyed: Any) -> None:
    someone = await keyed()
    token = (await trust(someone)).json()["trusted_device_token"]
    await platform.sql(
        "UPDATE identity.trusted_devices SET expires_at = now() WHERE user_id = $1",
        someone.person.id,
    )
    assert await asks(someone, token) is True
    assert await listed(someone) == []


@pytest.mark.parametrize("role", ["moderator", "admin"])
async def test_staff_trust_no_device(platform: Platform, keyed: Any, role: str) -> None:
    someone = await keyed()
    token = (await trust(someone)).json()["trusted_device_token"]
    await platform.sql("UPDATE identity.users SET role = $2 WHERE id = $1", someone.person.id, role)
    assert await asks(someone, token) is True  # whoever became staff is asked again
    assert (await someone.pending())["trust_days"] == 0
    assert (await trust(someone)).json()["trusted_device_token"] is None
    rows = await platform.sql(
        "SELECT count(*) AS n FROM identity.trusted_devices WHERE user_id = $1", someone.person.id
    )
    assert rows[0]["n"] == 1


async def test_a_tenant_shortens_or_forbids_trust(platform: Platform, keyed: Any) -> None:
    _, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    someone = await keyed(tenant_key=key)

    async def rule(**rules: Any) -> None:
        answer = await platform.client.put(
            "/v1/admin/policy", json={**rules, "reason": "by policy"}, headers=admin.headers
        )
        assert answer.status_code == 200, answer.text

    await rule(trusted_device_days=7)
    assert (await someone.pending())["trust_days"] == 7
    token = (await trust(someone)).json()["trusted_device_token"]
    (line,) = await listed(someone)
    days = await platform.sql(
        "SELECT round(extract(epoch FROM $1::text::timestamptz - now()) / 86400)::int AS n",
        line["expires_at"],
    )
    assert days[0]["n"] == 7
    await rule(trusted_device_days=300)
    assert (await someone.pending())["trust_days"] == 30  # tightens only
    await platform.sql(
        "UPDATE identity.trusted_devices SET created_at = now() - interval '3 days' "
        "WHERE user_id = $1",
        someone.person.id,
    )
    assert await asks(someone, token) is False
    await rule(trusted_device_days=2)
    assert await asks(someone, token) is True  # older than the rule of today
    await rule(trusted_device_days=0)
    assert await asks(someone, token) is True
    assert (await trust(someone)).json()["trusted_device_token"] is None
    await rule(require_mfa=True)
    assert await asks(someone, token) is True
    assert (await someone.pending())["trust_days"] == 0


async def test_an_account_trusts_twenty(platform: Platform, keyed: Any) -> None:
    someone = await keyed()
    first = (await trust(someone)).json()["trusted_device_token"]
    await platform.sql(
        "INSERT INTO identity.trusted_devices (tenant_id, user_id, token_hash, user_epoch, "
        "expires_at) SELECT tenant_id, user_id, n::text::bytea, user_epoch, expires_at "
        "FROM identity.trusted_devices, generate_series(1, 25) AS n WHERE user_id = $1",
        someone.person.id,
    )
    last = (await trust(someone)).json()["trusted_device_token"]
    rows = await platform.sql(
        "SELECT count(*) AS n FROM identity.trusted_devices WHERE user_id = $1", someone.person.id
    )
    assert rows[0]["n"] == 20
    assert await asks(someone, first) is True
    assert await asks(someone, last) is False
