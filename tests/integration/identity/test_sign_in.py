"""Register, log in, refresh, log out; staff need a second factor."""

import asyncio

from flatrender.testing.platform import PASSWORD, Platform


async def test_register_says_the_same_for_known_and_unknown(platform: Platform) -> None:
    known = await platform.person()
    body = {"email": known.email, "password": PASSWORD, "display_name": "x"}
    again = await platform.client.post("/v1/auth/register", json=body)
    fresh = await platform.client.post(
        "/v1/auth/register", json={**body, "email": f"fresh-{known.email}"}
    )
    assert (again.status_code, again.content) == (fresh.status_code, fresh.content)
    assert again.status_code == 202


async def test_me_and_logout(platform: Platform) -> None:
    person = await platform.person()
    me = await platform.client.get("/v1/me", headers=person.headers)
    assert me.status_code == 200, me.text
    assert me.json()["email"] == person.email
    gone = await platform.client.post("/v1/auth/logout", headers=person.headers)
    assert gone.status_code == 204, gone.text
    after = await platform.client.get("/v1/me", headers=person.headers)
    assert after.status_code == 401
    assert after.json()["code"] == "session_ended"


async def test_twenty_refreshes_at_once_make_one_successor(platform: Platform) -> None:
    person = await platform.person()

    async def refresh() -> str:
        answer = await platform.client.post(
            "/v1/auth/refresh", json={"refresh_token": person.refresh_token}
        )
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["refresh_token"]
        return token

    tokens = await asyncio.gather(*(refresh() for _ in range(20)))
    assert len(set(tokens)) == 1
    assert tokens[0] != person.refresh_token
    moved = await platform.sql(
        "SELECT counter FROM identity.sessions WHERE user_id = $1", person.id
    )
    assert [row[0] for row in moved] == [1]
    successor = await platform.client.post("/v1/auth/refresh", json={"refresh_token": tokens[0]})
    assert successor.status_code == 200


async def test_an_old_refresh_token_ends_the_session(platform: Platform) -> None:
    person = await platform.person()
    token = person.refresh_token
    for _ in range(2):
        answer = await platform.client.post("/v1/auth/refresh", json={"refresh_token": token})
        assert answer.status_code == 200
        token = answer.json()["refresh_token"]
    stolen = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": person.refresh_token}
    )
    assert stolen.status_code == 401
    assert stolen.json()["code"] == "invalid_refresh_token"
    current = await platform.client.post("/v1/auth/refresh", json={"refresh_token": token})
    assert current.status_code == 401
    me = await platform.client.get("/v1/me", headers=person.headers)
    assert me.status_code == 401


async def test_fields_a_caller_may_not_set_are_refused(platform: Platform) -> None:
    answer = await platform.client.post(
        "/v1/auth/register",
        json={"email": "r@example.com", "password": PASSWORD, "role": "admin"},
    )
    assert answer.status_code == 422
    assert answer.json()["code"] == "validation_failed"


async def test_staff_cannot_act_without_a_second_factor(platform: Platform) -> None:
    staff = await platform.person(role="admin")
    limits = await platform.client.get("/v1/me/limits", headers=staff.headers)
    assert limits.status_code == 403
    assert limits.json()["code"] == "mfa_required"
    admin = await platform.admin()
    allowed = await platform.client.get("/v1/me/limits", headers=admin.headers)
    assert allowed.status_code == 200, allowed.text


async def test_a_totp_code_works_once_even_in_parallel(platform: Platform) -> None:
    import pyotp

    person = await platform.person()
    enrolled = (await platform.client.post("/v1/me/mfa/totp", headers=person.headers)).json()
    totp = pyotp.TOTP(enrolled["secret"])
    now = platform.runtime.infra.clock.now()
    confirm = await platform.client.post(
        f"/v1/me/mfa/totp/{enrolled['factor_id']}/confirm",
        json={"code": totp.at(now)},
        headers=person.headers,
    )
    assert confirm.status_code == 200, confirm.text
    assert len(confirm.json()["recovery_codes"]) == 10

    async def pending() -> str:
        answer = await platform.client.post(
            "/v1/auth/login", json={"identifier": person.email, "password": PASSWORD}
        )
        assert answer.json()["mfa_required"] is True
        token: str = answer.json()["mfa_token"]
        return token

    code = totp.at(now, counter_offset=1)  # the next step: the present one is used up

    async def verify(token: str) -> int:
        answer = await platform.client.post(
            "/v1/auth/mfa/verify", json={"mfa_token": token, "code": code}
        )
        return answer.status_code

    tokens = [await pending() for _ in range(4)]
    results = await asyncio.gather(*(verify(token) for token in tokens))
    assert sorted(results) == [200, 401, 401, 401]
