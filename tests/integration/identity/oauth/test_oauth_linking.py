"""Whose an account elsewhere is here: linking by a proven address, by hand, and unlinking."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from openid_provider import PAGE, bearer, query_of, someone

from flatrender.testing.platform import PASSWORD


async def _proven(deployment: Any) -> Any:
    """Somebody with a password and a proven address."""
    person = await deployment.platform.person()
    await deployment.platform.sql(
        "UPDATE identity.users SET email_verified_at = now() WHERE id = $1", person.id
    )
    return person


async def _mails(deployment: Any, email: str) -> list[str]:
    rows = await deployment.platform.sql(
        "SELECT payload->'data'->>'template' AS template FROM identity.outbox "
        "WHERE name = 'notification.message.requested.v1' "
        "AND payload->'data'->>'recipient' = $1 ORDER BY id",
        email,
    )
    return [row["template"] for row in rows]


async def _linked(deployment: Any, headers: dict[str, str]) -> list[dict[str, Any]]:
    answer = await deployment.platform.client.get("/v1/me/identities", headers=headers)
    assert answer.status_code == 200, answer.text
    lines: list[dict[str, Any]] = answer.json()["data"]
    return lines


async def _begin_link(deployment: Any, headers: dict[str, str], **body: Any) -> Any:
    return await deployment.platform.client.post(
        "/v1/me/identities", json={"provider": "google", **body}, headers=headers
    )


async def _link_code(deployment: Any, browser: Any, headers: dict[str, str]) -> str:
    """Go through linking up to its code."""
    begun = await _begin_link(deployment, headers, current_password=PASSWORD)
    assert begun.status_code == 202, begun.text
    started = await browser.get(begun.json()["start_url"])
    assert started.status_code == 302, started.text
    fragment = await browser.back(await browser.consent(started.headers["location"]))
    assert set(fragment) == {"link_code"}
    code: str = fragment["link_code"]
    return code


async def test_an_address_that_both_sides_proved_links(deployment: Any, browser: Any) -> None:
    person = await _proven(deployment)
    deployment.google.person = someone(email=person.email.upper())
    me = await browser.me(await browser.sign_in())
    assert me["id"] == str(person.id)
    still = await deployment.platform.client.get("/v1/me", headers=person.headers)
    assert still.status_code == 200
    assert (await deployment.platform.login(person.email)).id == person.id
    assert "identity_linked" in await _mails(deployment, person.email)


async def test_a_squatter_loses_every_way_in(deployment: Any, browser: Any, with_totp: Any) -> None:
    """Somebody registers with another's address, prepares ways in, and waits for the owner."""
    squatter = await deployment.platform.person()
    await with_totp(squatter.headers)
    await deployment.platform.sql(
        "UPDATE identity.users SET mobile = $2, mobile_verified_at = now() WHERE id = $1",
        squatter.id,
        f"+98912{squatter.id.int % 10**7:07d}",
    )
    deployment.google.person = someone(email=squatter.email)
    fragment = await browser.sign_in()
    me = await browser.me(fragment)
    assert (me["email"], me["email_verified"], me["mobile"]) == (squatter.email, True, None)
    assert me["mfa_enabled"] is False
    old = await deployment.platform.client.get("/v1/me", headers=squatter.headers)
    assert (old.status_code, old.json()["code"]) == (401, "session_ended")
    refreshed = await deployment.platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": squatter.refresh_token}
    )
    assert refreshed.status_code == 401
    login = await deployment.platform.client.post(
        "/v1/auth/login", json={"email": squatter.email, "password": PASSWORD}
    )
    assert (login.status_code, login.json()["code"]) == (401, "invalid_credentials")
    for table in ("mfa_factors", "mfa_recovery_codes"):
        assert await deployment.count(table, squatter.email) == 0
    assert "account_claimed" in await _mails(deployment, squatter.email)


async def test_what_a_squatter_linked_is_unlinked(deployment: Any, browser: Any) -> None:
    squatter = await deployment.platform.person()
    theirs = deployment.google.person = someone(email_verified=False)
    code = await _link_code(deployment, browser, squatter.headers)
    done = await browser.client.post(
        "/v1/me/identities/complete", json={"code": code}, headers=squatter.headers
    )
    assert done.status_code == 204, done.text
    deployment.google.person = someone(email=squatter.email)
    owner = await browser.me(await browser.sign_in())
    assert owner["id"] == str(squatter.id)
    deployment.google.person = theirs
    assert (await browser.me(await browser.sign_in()))["id"] != owner["id"]


async def test_an_address_that_the_provider_did_not_prove_links_nothing(
    deployment: Any, browser: Any
) -> None:
    person = await _proven(deployment)
    for told in (False, None, "false", 1.5):
        deployment.google.person = someone(email=person.email, email_verified=told)
        me = await browser.me(await browser.sign_in())
        assert me["id"] != str(person.id)
        assert me["email"] is None


async def test_staff_and_closed_linking_are_left_to_their_owners(
    deployment: Any, browser: Any
) -> None:
    staff = await deployment.platform.person(role="admin")
    deployment.google.person = someone(email=staff.email)
    assert await browser.sign_in() == {"error": "oauth_account_exists"}
    person = await _proven(deployment)
    await deployment.save("google", deployment.google, link_by_email=False)
    deployment.google.person = someone(email=person.email)
    assert await browser.sign_in() == {"error": "oauth_account_exists"}


async def test_new_accounts_only_where_they_are_wanted(deployment: Any, browser: Any) -> None:
    await deployment.save("google", deployment.google, allow_signup=False)
    deployment.google.person = someone()
    assert await browser.sign_in() == {"error": "oauth_signup_closed"}


async def test_linking_by_hand_and_signing_in_by_it(deployment: Any, browser: Any) -> None:
    person = await deployment.platform.person()
    deployment.google.person = someone()
    code = await _link_code(deployment, browser, person.headers)
    assert await _linked(deployment, person.headers) == []
    complete = {"url": "/v1/me/identities/complete", "json": {"code": code}}
    answers = await asyncio.gather(
        *(browser.client.post(**complete, headers=person.headers) for _ in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [204, 401, 401, 401, 401]
    assert [line["provider"] for line in await _linked(deployment, person.headers)] == ["google"]
    assert (await browser.me(await browser.sign_in()))["id"] == str(person.id)
    assert "identity_linked" in await _mails(deployment, person.email)


async def test_linking_wants_a_proof_and_a_listed_page(deployment: Any, browser: Any) -> None:
    person = await deployment.platform.person()
    for wrong in ({}, {"current_password": "not the password"}):
        refused = await _begin_link(deployment, person.headers, **wrong)
        assert (refused.status_code, refused.json()["code"]) == (403, "proof_required")
    foreign = await _begin_link(
        deployment,
        person.headers,
        current_password=PASSWORD,
        return_to="https://evil.example/",
    )
    assert (foreign.status_code, foreign.json()["code"]) == (400, "return_not_allowed")


async def test_a_link_that_another_began_links_nothing(deployment: Any, browser: Any) -> None:
    """An attacker begins, a victim's browser goes through it: neither gets the other's."""
    attacker, victim = await deployment.platform.person(), await deployment.platform.person()
    deployment.google.person = someone()
    code = await _link_code(deployment, browser, attacker.headers)
    refused = await browser.client.post(
        "/v1/me/identities/complete", json={"code": code}, headers=victim.headers
    )
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_code")
    for other in ("/v1/auth/oauth/token",):  # nor does a link code open a session
        answer = await browser.client.post(other, json={"code": code})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_code")
    for person in (attacker, victim):
        assert await _linked(deployment, person.headers) == []


async def test_a_link_begins_once_and_with_its_own_provider(deployment: Any, browser: Any) -> None:
    person = await deployment.platform.person()
    begun = await _begin_link(deployment, person.headers, current_password=PASSWORD, return_to=PAGE)
    url = begun.json()["start_url"]
    other = await browser.get(url.replace("/google/", "/other/"))
    assert (other.status_code, other.json()["code"]) == (401, "invalid_code")
    assert (await browser.get(url)).status_code == 302
    again = await browser.get(url)
    assert (again.status_code, again.json()["code"]) == (401, "invalid_code")
    assert "link" in query_of(url)


async def test_an_account_elsewhere_belongs_to_one(deployment: Any, browser: Any) -> None:
    deployment.google.person = someone()
    owner = await browser.sign_in()
    person = await deployment.platform.person()
    code = await _link_code(deployment, browser, person.headers)
    taken = await browser.client.post(
        "/v1/me/identities/complete", json={"code": code}, headers=person.headers
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "identity_taken")
    assert len(await _linked(deployment, bearer(owner))) == 1


async def test_the_last_way_in_stays(deployment: Any, browser: Any) -> None:
    deployment.google.person = someone()
    headers = bearer(await browser.sign_in())
    line = (await _linked(deployment, headers))[0]
    url = f"/v1/me/identities/{line['id']}/unlink"
    refused = await browser.client.post(url, json={}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "last_way_in")
    assert len(await _linked(deployment, headers)) == 1
    set_one = await browser.client.post(
        "/v1/me/password", json={"new_password": PASSWORD}, headers=headers
    )
    assert set_one.status_code == 200, set_one.text
    headers = bearer(set_one.json())
    without = await browser.client.post(url, json={}, headers=headers)
    assert (without.status_code, without.json()["code"]) == (403, "proof_required")
    done = await browser.client.post(url, json={"current_password": PASSWORD}, headers=headers)
    assert done.status_code == 204, done.text
    assert await _linked(deployment, headers) == []
    assert "identity_unlinked" in await _mails(deployment, deployment.google.person["email"])


async def test_two_unlinked_at_once_leave_one(deployment: Any, browser: Any) -> None:
    person = deployment.google.person = deployment.other.person = someone()
    headers = bearer(await browser.sign_in("google"))
    await browser.sign_in("other")
    lines = await _linked(deployment, headers)
    assert [line["provider"] for line in lines] == ["google", "other"]
    answers = await asyncio.gather(
        *(
            browser.client.post(f"/v1/me/identities/{line['id']}/unlink", json={}, headers=headers)
            for line in lines
        )
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert await deployment.count("oauth_identities", person["email"]) == 1


async def test_a_provider_that_is_off_is_no_way_in(deployment: Any, browser: Any) -> None:
    deployment.google.person = deployment.other.person = someone()
    headers = bearer(await browser.sign_in("google"))
    await browser.sign_in("other")
    await deployment.save("other", deployment.other, enabled=False)
    line = (await _linked(deployment, headers))[0]
    refused = await browser.client.post(
        f"/v1/me/identities/{line['id']}/unlink", json={}, headers=headers
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "last_way_in")


async def test_unlinking_wants_the_second_factor_where_there_is_one(
    deployment: Any, browser: Any, with_totp: Any
) -> None:
    deployment.google.person = someone()
    headers = bearer(await browser.sign_in())
    line = (await _linked(deployment, headers))[0]
    await with_totp(headers)
    refused = await browser.client.post(
        f"/v1/me/identities/{line['id']}/unlink", json={}, headers=headers
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")


@pytest.mark.parametrize("whose", ["a stranger's", "nobody's"])
async def test_anothers_link_is_not_there(deployment: Any, browser: Any, whose: str) -> None:
    deployment.google.person = someone()
    owner = bearer(await browser.sign_in())
    line = (await _linked(deployment, owner))[0]
    person = await deployment.platform.person()
    name = line["id"] if whose == "a stranger's" else str(uuid4())
    answer = await browser.client.post(
        f"/v1/me/identities/{name}/unlink",
        json={"current_password": PASSWORD},
        headers=person.headers,
    )
    assert answer.status_code == 404
    assert len(await _linked(deployment, owner)) == 1
