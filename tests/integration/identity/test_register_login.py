"""Registering and logging in tell nothing about who has an account, and are limited."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from flatrender.clock import uuid7
from flatrender.testing.platform import PASSWORD, Platform
from flatrender_identity.services.devices import KnownDevices


def _bare(answer: Any) -> tuple[int, str]:
    return answer.status_code, re.sub(r'"(request_id|instance)":"[^"]*",?', "", answer.text)


async def _login(
    platform: Platform, email: str, password: str, address: str = "", **more: Any
) -> Any:
    return await platform.client.post(
        "/v1/auth/login",
        json={"email": email, "password": password, **more},
        headers={"X-Forwarded-For": address} if address else {},
    )


async def test_known_and_unknown_cost_the_same_work(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await platform.person()
    passwords = platform.runtime.infra.security.passwords
    hashed: list[str] = []
    real = passwords.hash

    async def counting(password: str) -> str:
        hashed.append(password)
        return await real(password)

    monkeypatch.setattr(passwords, "hash", counting)
    for email in (known.email, f"new-{known.email}"):
        before = len(hashed)
        answer = await platform.client.post(
            "/v1/auth/register", json={"email": email, "password": PASSWORD}
        )
        assert answer.status_code == 202
        assert len(hashed) == before + 1
    rows = await platform.sql(
        "SELECT display_name FROM identity.users WHERE email_key = $1", known.email
    )
    assert [row[0] for row in rows] == ["Test Person"]  # the known one is as it was


async def test_wrong_unknown_banned_and_passwordless_answer_alike(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine, banned, bare = [await platform.person() for _ in range(3)]
    await platform.sql("UPDATE identity.users SET status = 'Banned' WHERE id = $1", banned.id)
    await platform.sql("UPDATE identity.users SET password_hash = NULL WHERE id = $1", bare.id)
    passwords = platform.runtime.infra.security.passwords
    checked: list[str | None] = []
    real = passwords.verify

    async def counting(stored: str | None, password: str) -> Any:
        checked.append(stored)
        return await real(stored, password)

    monkeypatch.setattr(passwords, "verify", counting)
    answers = [
        await _login(platform, fine.email, "not the password"),
        await _login(platform, f"nobody-{uuid4().hex}@example.com", PASSWORD),
        await _login(platform, banned.email, PASSWORD),
        await _login(platform, bare.email, PASSWORD),
    ]
    assert {_bare(a) for a in answers} == {_bare(answers[0])}
    assert (answers[0].status_code, answers[0].json()["code"]) == (401, "invalid_credentials")
    assert [stored is not None for stored in checked] == [True, False, False, False]


async def test_a_banned_persons_session_is_over(platform: Platform) -> None:
    person = await platform.person()
    await platform.sql("UPDATE identity.users SET status = 'Banned' WHERE id = $1", person.id)
    refreshed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": person.refresh_token}
    )
    assert (refreshed.status_code, refreshed.json()["code"]) == (401, "invalid_refresh_token")


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"email": "nobody"}, "/email", "email_invalid"),
        ({"email": "a@b..c"}, "/email", "email_invalid"),
        ({"email": "a\r\nbcc: x@y.z"}, "/email", "email_invalid"),
        ({"email": "<b>@example.com"}, "/email", "email_invalid"),
        ({"email": '"a b"@example.com'}, "/email", "email_invalid"),
        ({"display_name": "a\x1b[31m"}, "/display_name", "control_character"),
        ({"display_name": "a\nb"}, "/display_name", "control_character"),
        ({"display_name": "\u202emoc.live"}, "/display_name", "bidi_control"),
        ({"display_name": "\u2067a"}, "/display_name", "bidi_control"),
        ({"password": "short"}, "/password", "password_too_short"),
        ({"password": "passwordpassword"}, "/password", "password_too_common"),
        ({"password": "someone.else1"}, "/password", "password_is_identifier"),
        ({"role": "admin"}, "/role", "unknown_field"),
        ({"tenant_id": str(uuid4())}, "/tenant_id", "unknown_field"),
        ({"email_verified": True}, "/email_verified", "unknown_field"),
        ({"locale": "de"}, "/locale", "not_allowed"),
    ],
)
async def test_a_refused_field_is_named(
    platform: Platform, body: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await platform.client.post(
        "/v1/auth/register",
        json={"email": "someone.else@example.com", "password": PASSWORD, **body},
    )
    assert answer.status_code == 422, answer.text
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]


async def test_the_same_key_registers_once(platform: Platform) -> None:
    headers = {"Idempotency-Key": uuid4().hex, "X-Forwarded-For": "10.9.8.7"}
    email = f"{uuid4().hex}@example.com"
    answers = [
        await platform.client.post(
            "/v1/auth/register", json={"email": email, "password": password}, headers=headers
        )
        for password in (PASSWORD, PASSWORD, PASSWORD + "x")
    ]
    assert [a.status_code for a in answers] == [202, 202, 422]
    assert answers[1].headers["idempotency-replayed"] == "true"


async def test_an_account_is_guessed_at_ten_times(platform: Platform) -> None:
    person, other = await platform.person(), await platform.person()
    codes = [(await _login(platform, person.email, f"guess {n}")).status_code for n in range(9)]
    assert codes == [401] * 9  # the tenth cell is held by the login that made the person or not
    answers = [await _login(platform, person.email, "guess") for _ in range(2)]
    assert answers[-1].status_code == 429
    assert answers[-1].json()["code"] == "rate_limited"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 300
    right = await _login(platform, person.email, PASSWORD)
    assert right.status_code == 429  # the limit is not an oracle of the right password
    assert (await _login(platform, other.email, PASSWORD)).status_code == 200


async def test_a_stranger_does_not_use_up_the_tries_of_a_known_device(platform: Platform) -> None:
    person, other = await platform.person(), await platform.person()

    async def login(password: str, **more: Any) -> Any:
        body = {"email": person.email, "password": password, **more}
        address = {"X-Forwarded-For": f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"}
        return await platform.client.post("/v1/auth/login", json=body, headers=address)

    device = (await login(PASSWORD)).json()["device_token"]
    theirs = (await _login(platform, other.email, PASSWORD)).json()["device_token"]
    for _ in range(10):
        assert (await login("guess")).status_code == 401
    forged = f"{device[:-4]}{'0000' if device[-4:] != '0000' else '1111'}"
    for token in (None, theirs, forged, "fd1.x.y", "\u0661" * 64):
        refused = await login(PASSWORD, device_token=token)
        assert refused.status_code == 429, token
    home = await login(PASSWORD, device_token=device)
    assert home.status_code == 200, home.text
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": home.json()["refresh_token"]}
    )
    assert renewed.json()["device_token"] == home.json()["device_token"]
    # a stolen device guesses ten times as well, and uses up nobody else's tries
    for _ in range(10):
        assert (await login("guess", device_token=device)).status_code == 401
    assert (await login(PASSWORD, device_token=device)).status_code == 429
    again = await login(PASSWORD, device_token=home.json()["device_token"])
    assert again.status_code == 200


async def test_a_device_is_known_for_180_days_after_its_login(platform: Platform) -> None:
    person = await platform.person()
    context = platform.runtime.plugins["identity"].context
    devices = KnownDevices(context)
    now = context.clock.now()

    def token(age: timedelta) -> str:
        return devices.token(person.tenant_id, person.email, uuid7(now - age))

    for number in range(11):  # a stranger uses up the account's tries
        await _login(platform, person.email, f"guess {number}")
    old, young = timedelta(days=180, minutes=1), timedelta(days=179, hours=23)
    expired = await _login(platform, person.email, PASSWORD, device_token=token(old))
    assert expired.status_code == 429
    known = await _login(platform, person.email, PASSWORD, device_token=token(young))
    assert known.status_code == 200, known.text
    anew = await _login(platform, person.email, PASSWORD, device_token=known.json()["device_token"])
    assert anew.status_code == 200  # whose login is new has a new token


async def test_an_address_guesses_ten_times(platform: Platform) -> None:
    person = await platform.person()
    address = "2001:db8:77:1::5"
    for number in range(10):
        answer = await _login(platform, f"{uuid4().hex}@example.com", "guess", address)
        assert answer.status_code == 401, number
    neighbour = await _login(platform, person.email, PASSWORD, "2001:db8:77:1:9::1")
    assert neighbour.status_code == 429  # the same /64
    elsewhere = await _login(platform, person.email, PASSWORD, "2001:db8:77:2::5")
    assert elsewhere.status_code == 200


async def test_a_success_gives_the_account_its_tries_back(platform: Platform) -> None:
    person = await platform.person()
    for _round in range(3):
        for _ in range(8):
            assert (await _login(platform, person.email, "guess")).status_code == 401
        assert (await _login(platform, person.email, PASSWORD)).status_code == 200


async def test_login_takes_one_name_of_the_address(platform: Platform) -> None:
    person = await platform.person()
    for body in ({}, {"email": person.email, "identifier": person.email}):
        answer = await platform.client.post("/v1/auth/login", json={**body, "password": PASSWORD})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/identifier"
    for name in ("email", "identifier"):
        answer = await platform.client.post(
            "/v1/auth/login", json={name: person.email.upper(), "password": PASSWORD}
        )
        assert answer.status_code == 200


async def test_two_tenants_do_not_know_each_others_people(platform: Platform) -> None:
    tenant_id, key = await platform.tenant()
    there = await platform.person(tenant_key=key)
    assert there.tenant_id == tenant_id
    here = await _login(platform, there.email, PASSWORD)
    assert (here.status_code, here.json()["code"]) == (401, "invalid_credentials")
    other = await platform.person(email=there.email)  # the same address, another person
    assert (other.id, other.tenant_id) != (there.id, there.tenant_id)
    for person in (there, other):
        me = await platform.client.get("/v1/me", headers={**person.headers, "X-Tenant-Key": key})
        assert me.json()["id"] == str(person.id)  # the credential decides, not the header
    unknown = await platform.client.post(
        "/v1/auth/login",
        json={"email": there.email, "password": PASSWORD},
        headers={"X-Tenant-Key": "pk_nobody"},
    )
    assert (unknown.status_code, unknown.json()["code"]) == (401, "unknown_tenant_key")


async def test_people_are_found_by_the_index_that_row_security_may_use(platform: Platform) -> None:
    from flatrender_identity import queries

    database = platform.runtime.plugins["identity"].context.db
    tenant_id, _key = await platform.tenant()
    await platform.sql(
        "INSERT INTO identity.users (tenant_id, register_mode, email) "
        "SELECT $1, 'Email', 'u' || i || '@example.com' FROM generate_series(1, 2000) i",
        tenant_id,
    )
    await platform.sql("ANALYZE identity.users")
    async with database.transaction(tenant_id) as connection:
        plan = await connection.fetch(
            f"EXPLAIN {queries._CREDENTIAL}", tenant_id, "u77@example.com"
        )
    text = "\n".join(row[0] for row in plan)
    assert "users_email_key" in text, text
    assert any("Index Cond" in line and "email_key = " in line for line in text.splitlines()), text


async def test_me_changes_what_may_be_changed(platform: Platform) -> None:
    person = await platform.person()
    changed = await platform.client.patch(
        "/v1/me",
        json={"display_name": "سارا", "locale": "en", "timezone": "Europe/Paris"},
        headers=person.headers,
    )
    body = changed.json()
    assert (body["display_name"], body["locale"], body["timezone"]) == (
        "سارا",
        "en",
        "Europe/Paris",
    )
    for zone in ("Nowhere/Land", "../../etc/passwd", "Asia", "/etc/localtime"):
        refused = await platform.client.patch(
            "/v1/me", json={"timezone": zone}, headers=person.headers
        )
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/timezone")
    for field in ("role", "tenant_id", "email", "balance_minor", "plan_code"):
        refused = await platform.client.patch("/v1/me", json={field: "x"}, headers=person.headers)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["code"] == "unknown_field"
