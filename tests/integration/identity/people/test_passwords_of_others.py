"""Staff and others' passwords: a link by default, a temporary one only where asked for."""

from typing import Any
from uuid import uuid4

from flatrender.testing.platform import PASSWORD, Person, Platform

TEMPORARY = "temporary-horse-battery-7"
OWN = "chosen-horse-battery-8"


async def _give(platform: Platform, who: Person, whom: Any, **body: Any) -> Any:
    return await platform.client.post(
        f"/v1/users/{whom}/password",
        json={"reason": "asked on the phone", **body},
        headers=who.headers,
    )


async def _sign_in(platform: Platform, person: Person, password: str) -> Any:
    return await platform.client.post(
        "/v1/auth/login", json={"identifier": person.email, "password": password}
    )


async def _complete(platform: Platform, token: str, password: str = OWN) -> Any:
    return await platform.client.post(
        "/v1/auth/recovery/complete", json={"token": token, "password": password}
    )


async def test_a_link_goes_to_the_owner_and_nothing_else_changes(
    platform: Platform, post: Any
) -> None:
    admin, person = await platform.admin(), await platform.person()
    done = await _give(platform, admin, person.id)
    assert (done.status_code, done.content) == (204, b"")
    me = await platform.client.get("/v1/me", headers=person.headers)
    assert me.status_code == 200
    assert (await _sign_in(platform, person, PASSWORD)).status_code == 200
    token = await post.token(person.email, "reset_password")
    assert (await _complete(platform, token)).status_code == 204
    assert (await _sign_in(platform, person, OWN)).json()["access_token"]
    lines = await platform.sql(
        "SELECT action, reason, actor_id FROM identity.audit_log WHERE target_id = $1",
        str(person.id),
    )
    assert [tuple(line) for line in lines] == [
        ("user.password.link", "asked on the phone", admin.id)
    ]


async def test_a_temporary_password_is_good_for_choosing_another_one(
    platform: Platform, post: Any
) -> None:
    admin, person = await platform.admin(), await platform.person()
    done = await _give(platform, admin, person.id, password=TEMPORARY)
    assert done.status_code == 204, done.text
    dead = await platform.client.get("/v1/me", headers=person.headers)
    assert (dead.status_code, dead.json()["code"]) == (401, "session_ended")
    assert (await _sign_in(platform, person, PASSWORD)).status_code == 401
    told = await post.last(person.email, "password_set")
    assert (told["params"], told["secrets"]) == ({}, {})
    answer = await _sign_in(platform, person, TEMPORARY)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["password_change_required"], set(body)) == (
        True,
        {"password_change_required", "token", "expires_in"},
    )
    rows = await platform.sql(
        "SELECT FROM identity.sessions WHERE user_id = $1 AND revoked_at IS NULL", person.id
    )
    assert rows == []
    assert (await _complete(platform, body["token"], "short")).status_code == 422
    assert (await _complete(platform, body["token"])).status_code == 204
    assert (await _complete(platform, body["token"])).status_code == 401
    assert (await _sign_in(platform, person, TEMPORARY)).status_code == 401
    assert (await _sign_in(platform, person, OWN)).json()["access_token"]
    after = await platform.sql(
        "SELECT email_verified_at, password_must_change FROM identity.users WHERE id = $1",
        person.id,
    )
    assert tuple(after[0]) == (None, False)  # nobody has shown that they read the mailbox
    lines = await platform.sql(
        "SELECT action, before::text || after::text AS told FROM identity.audit_log "
        "WHERE target_id = $1",
        str(person.id),
    )
    assert [line["action"] for line in lines] == ["user.password.set"]
    assert TEMPORARY not in lines[0]["told"]


async def test_a_second_factor_is_still_asked_for(platform: Platform, arm: Any) -> None:
    admin, armed = await platform.admin(), await arm()
    assert (await _give(platform, admin, armed.person.id, password=TEMPORARY)).status_code == 204
    token = (await _sign_in(platform, armed.person, TEMPORARY)).json()["token"]
    assert (await _complete(platform, token)).status_code == 204
    answer = (await _sign_in(platform, armed.person, OWN)).json()
    assert answer["mfa_required"] is True
    assert "access_token" not in answer


async def test_the_token_is_no_mailed_link_and_dies_with_another_password(
    platform: Platform,
) -> None:
    admin, person = await platform.admin(), await platform.person()
    assert (await _give(platform, admin, person.id, password=TEMPORARY)).status_code == 204
    first = (await _sign_in(platform, person, TEMPORARY)).json()["token"]
    for path in ("verification", "magic-link"):
        other = await platform.client.post(f"/v1/auth/{path}/complete", json={"token": first})
        assert (other.status_code, other.json()["code"]) == (401, "invalid_link")
    second = (await _sign_in(platform, person, TEMPORARY)).json()["token"]
    assert (await _complete(platform, first)).status_code == 401  # a newer one voids it
    assert (await _give(platform, admin, person.id, password=f"{TEMPORARY}x")).status_code == 204
    assert (await _complete(platform, second)).status_code == 401


async def test_who_and_what_is_refused(platform: Platform) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    peer = await platform.admin(tenant_key=key)
    moderator = await platform.staff("moderator", tenant_key=key)
    customer = await platform.person(tenant_key=key)
    stranger = await platform.person()
    for body in ({}, {"password": TEMPORARY}):
        for who, whom, status, code in (
            (moderator, customer.id, 403, "permission_required"),
            (customer, customer.id, 403, "forbidden"),
            (admin, admin.id, 403, "not_oneself"),
            (admin, peer.id, 403, "out_of_reach"),
            (admin, stranger.id, 404, "not_found"),
            (admin, uuid4(), 404, "not_found"),
        ):
            refused = await _give(platform, who, whom, **body)  # type: ignore[arg-type]  # of a table
            assert (refused.status_code, refused.json()["code"]) == (status, code)
    for password in ("short", customer.email, "password1234"):
        weak = await _give(platform, admin, customer.id, password=password)
        assert (weak.status_code, weak.json()["errors"][0]["pointer"]) == (422, "/password")
    assert (
        await _give(platform, admin, customer.id, password=TEMPORARY, role="admin")
    ).status_code == 422
    given = await platform.client.put(
        "/v1/admin/roles/moderator",
        json={"permissions": ["people.password"], "reason": "helps people"},
        headers=admin.headers,
    )
    assert given.status_code == 200
    assert (await _give(platform, moderator, admin.id)).json()["code"] == "out_of_reach"
    assert (await _give(platform, moderator, customer.id)).status_code == 204
    await platform.sql("UPDATE identity.users SET email = NULL WHERE id = $1", customer.id)
    nowhere = await _give(platform, admin, customer.id)
    assert (nowhere.status_code, nowhere.json()["code"]) == (409, "no_address")
    await platform.sql("UPDATE identity.users SET status = 'Banned' WHERE id = $1", customer.id)
    barred = await _give(platform, admin, customer.id, password=TEMPORARY)
    assert (barred.status_code, barred.json()["code"]) == (409, "account_not_active")
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '1 hour' WHERE user_id = $1",
        admin.id,
    )
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": admin.refresh_token}
    )
    stale = await platform.client.post(
        f"/v1/users/{peer.id}/password",
        json={"reason": "asked for it"},
        headers={"Authorization": f"Bearer {renewed.json()['access_token']}"},
    )
    assert (stale.status_code, stale.json()["code"]) == (403, "step_up_required")


async def test_messages_to_one_recipient_are_limited(platform: Platform) -> None:
    admin, person = await platform.admin(), await platform.person()
    answers = [await _give(platform, admin, person.id) for _ in range(11)]
    assert {answer.status_code for answer in answers[:9]} == {204}
    assert answers[-1].status_code == 429
    assert answers[-1].headers["retry-after"]


async def test_the_temporary_password_is_not_the_next_one(platform: Platform, post: Any) -> None:
    admin, person = await platform.admin(), await platform.person()
    assert (await _give(platform, admin, person.id, password=TEMPORARY)).status_code == 204
    token = (await _sign_in(platform, person, TEMPORARY)).json()["token"]
    same = await platform.client.post(
        "/v1/auth/recovery/complete", json={"token": token, "password": TEMPORARY}
    )
    fault = same.json()["errors"][0]
    assert (same.status_code, fault["code"]) == (422, "temporary_password"), same.text
    assert fault["pointer"] == "/password"
    # Nor by another way in, whose session must prove who it is by the present password.
    await platform.client.post("/v1/auth/magic-link", json={"identifier": person.email})
    proof = {
        "identifier": person.email,
        "code": await post.code(person.email, "magic_link"),
    }
    inside = await platform.client.post("/v1/auth/magic-link/complete", json=proof)
    headers = {"Authorization": f"Bearer {inside.json()['access_token']}"}
    changed = await platform.client.post(
        "/v1/me/password",
        json={"current_password": TEMPORARY, "new_password": TEMPORARY},
        headers=headers,
    )
    fault = changed.json()["errors"][0]
    assert (fault["code"], fault["pointer"]) == ("temporary_password", "/new_password")
    assert (await _complete(platform, token)).status_code == 204  # the token is still good
    assert (await _sign_in(platform, person, OWN)).status_code == 200
