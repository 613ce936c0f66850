"""Passkeys: made by their owner, verified, listed, named and removed."""

import asyncio
import base64
from typing import Any

import jwt
import pytest
from authenticator import ATTESTED, PRESENT, VERIFIED, Authenticator

from flatrender.testing.platform import Platform

ORIGIN = "http://testserver.local"


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def _passkeys(someone: Any) -> list[dict[str, Any]]:
    listed = await someone.platform.client.get(
        "/v1/me/mfa/passkeys", headers=someone.person.headers
    )
    assert listed.status_code == 200, listed.text
    data: list[dict[str, Any]] = listed.json()["data"]
    return data


async def test_a_passkey_counts_once_it_is_verified(
    platform: Platform, bare: Any, post: Any
) -> None:
    someone = await bare()
    begun = (await someone.begin()).json()
    options = begun["public_key"]
    assert options["rp"]["id"] == "testserver.local"
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert options["attestation"] == "none"
    assert {one["alg"] for one in options["pubKeyCredParams"]} == {-7, -8, -257}
    assert len(base64.urlsafe_b64decode(options["challenge"] + "==")) == 32
    assert options["user"]["name"] == someone.person.email
    assert await _passkeys(someone) == []
    answer = await someone.send(
        begun["challenge_id"], someone.device.create(options), "My <b>phone</b>"
    )
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert len(set(body["recovery_codes"])) == 10
    assert body["user"]["mfa_enabled"] is True
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert claims["mfa_at"] > 0
    (line,) = await _passkeys(someone)
    assert line == body["passkey"]
    assert (line["name"], line["rp_id"]) == ("My <b>phone</b>", "testserver.local")
    assert (line["transports"], line["backed_up"]) == (["hybrid", "internal"], False)
    told = await post.last(someone.person.email, "passkey_added")
    assert told["params"] == {"name": "My <b>phone</b>"}
    log = await platform.client.get("/v1/me/security-log", headers=someone.person.headers)
    assert log.json()["data"][0]["kind"] == "passkey_added"


async def test_a_passkey_wants_the_password_or_a_fresh_factor(
    platform: Platform, bare: Any, keyed: Any
) -> None:
    someone = await bare()
    refused(await someone.begin(None), 403, "proof_required")
    refused(await someone.begin("wrong-horse-battery-1"), 403, "proof_required")
    armed = await keyed()
    tokens = (await armed.second((await armed.pending())["mfa_token"])).json()
    fresh = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await armed.begin(None, fresh)).status_code == 200
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '16 minutes' WHERE user_id = $1",
        armed.person.id,
    )
    stale = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}
    )
    headers = {"Authorization": f"Bearer {stale.json()['access_token']}"}
    again = await armed.begin(headers=headers)  # the password is not enough any more
    refused(again, 403, "step_up_required")
    assert again.json()["methods"] == ["passkey", "recovery_code"]


async def test_the_same_passkey_is_excluded_and_refused(keyed: Any) -> None:
    someone = await keyed()
    begun = (await someone.begin()).json()
    (excluded,) = begun["public_key"]["excludeCredentials"]
    again = someone.device.create(begun["public_key"], again=someone.held)
    assert excluded["id"] == again["id"]
    refused(await someone.send(begun["challenge_id"], again), 409, "passkey_exists")


async def test_two_registrations_of_one_passkey_at_once_make_one(
    platform: Platform, bare: Any
) -> None:
    someone, other = await bare(), await bare()
    first = (await someone.begin()).json()
    made = someone.device.create(first["public_key"])
    begun = [(await someone.begin()).json() for _ in range(4)]
    theirs = [(await other.begin()).json() for _ in range(4)]
    again = [
        (who, one["challenge_id"], who.device.create(one["public_key"], again=someone.held))
        for who, many in ((someone, [first, *begun]), (other, theirs))
        for one in many
    ]
    answers = await asyncio.gather(*(who.send(challenge, made) for who, challenge, made in again))
    codes = sorted(answer.status_code for answer in answers)
    # whoever is behind the first factor of the same account is asked for it
    assert codes[0] == 201
    assert set(codes[1:]) <= {403, 409}, [answer.text for answer in answers]
    rows = await platform.sql(
        "SELECT count(*) AS n FROM identity.mfa_factors WHERE credential_id = $1",
        someone.held.credential_id,
    )
    assert rows[0]["n"] == 1
    assert made["id"]


WRONG = [
    {"origin": "https://evil.example"},
    {"origin": "http://testserver.local.evil.example"},
    {"origin": "http://sub.testserver.local"},
    {"origin": "https://testserver.local"},
    {"origin": "http://localhost"},
    {"origin": ["http://testserver.local"]},
    {"cross_origin": True},
    {"rp_id": "evil.example"},
    {"type": "webauthn.get"},
    {"challenge": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    {"flags": VERIFIED},
    {"flags": PRESENT},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
async def test_what_does_not_hold_registers_nothing(bare: Any, wrong: dict[str, Any]) -> None:
    someone = await bare()
    refused(await someone.register(**wrong), 401, "invalid_passkey")
    assert await _passkeys(someone) == []


async def test_broken_attestations_are_refused(bare: Any) -> None:
    someone = await bare()
    for broken in ("AA", "gA", "o2NmbXQ", "n2", "_____w", "ow", "oWNmbXRkbm9uZQ"):
        begun = (await someone.begin()).json()
        made = someone.device.create(begun["public_key"])
        made["response"]["attestationObject"] = broken
        refused(await someone.send(begun["challenge_id"], made), 401, "invalid_passkey")
        made = someone.device.create(begun["public_key"])
        made["response"]["clientDataJSON"] = broken
        refused(await someone.send(begun["challenge_id"], made), 401, "invalid_passkey")
    assert ATTESTED


async def test_a_challenge_registers_once_for_its_session_and_owner(
    platform: Platform, bare: Any
) -> None:
    someone, stranger = await bare(), await bare()
    begun = (await someone.begin()).json()
    made = someone.device.create(begun["public_key"])
    refused(await stranger.send(begun["challenge_id"], made), 401, "invalid_passkey")
    elsewhere = await bare(await platform.login(someone.person.email))
    refused(await elsewhere.send(begun["challenge_id"], made), 401, "invalid_passkey")
    assert (await someone.send(begun["challenge_id"], made)).status_code == 201
    other = someone.device.create(begun["public_key"])
    refused(await someone.send(begun["challenge_id"], other), 401, "invalid_passkey")
    sign_in = await someone.ask()
    other = someone.device.create({**begun["public_key"], **sign_in["public_key"]})
    refused(await someone.send(sign_in["challenge_id"], other), 401, "invalid_passkey")
    step_up = (await someone.post("/v1/me/mfa/step-up/options")).json()
    other = someone.device.create({**begun["public_key"], **step_up["public_key"]})
    refused(await someone.send(step_up["challenge_id"], other), 401, "invalid_passkey")
    late = (await someone.begin()).json()
    await platform.sql(
        "UPDATE identity.mfa_challenges SET expires_at = now() WHERE user_id = $1",
        someone.person.id,
    )
    other = someone.device.create(late["public_key"])
    refused(await someone.send(late["challenge_id"], other), 401, "invalid_passkey")
    assert len(await _passkeys(someone)) == 1


async def test_a_second_passkey_brings_no_new_codes(keyed: Any, post: Any) -> None:
    someone = await keyed()
    second = await someone.register("Key in the drawer")
    assert (second.status_code, second.json()["recovery_codes"]) == (201, [])
    assert [one["name"] for one in await _passkeys(someone)] == ["Key in the drawer", "My phone"]
    await post.last(someone.person.email, "passkey_added", number=2)
    page = await someone.platform.client.get(
        "/v1/me/mfa/passkeys?page_size=1&page=2", headers=someone.person.headers
    )
    assert [one["name"] for one in page.json()["data"]] == ["My phone"]
    assert page.json()["meta"]["total"] == 2


async def test_an_account_has_room_for_twenty(platform: Platform, keyed: Any) -> None:
    someone = await keyed()
    await platform.sql(
        "INSERT INTO identity.mfa_factors (tenant_id, user_id, kind, credential_id, public_key, "
        "rp_id, confirmed_at) SELECT tenant_id, user_id, 'webauthn', "
        "gen_random_uuid()::text::bytea, 'x', 'testserver.local', now() "
        "FROM identity.mfa_factors, generate_series(1, 19) WHERE user_id = $1",
        someone.person.id,
    )
    refused(await someone.register(), 409, "too_many_passkeys")


async def test_naming_and_removing_are_the_owners(platform: Platform, keyed: Any) -> None:
    someone, stranger = await keyed(), await keyed()
    _, key = await platform.tenant()
    foreigner = await keyed(tenant_key=key)
    (line,) = await _passkeys(someone)
    path = f"/v1/me/mfa/passkeys/{line['id']}"
    missing = "/v1/me/mfa/passkeys/00000000-0000-4000-8000-000000000000"
    for other in (stranger, foreigner):
        for method, body in (("PATCH", {"name": "mine"}), ("DELETE", None)):
            answers = [
                await platform.client.request(
                    method, where, json=body, headers=other.person.headers
                )
                for where in (path, missing)
            ]
            found = [{**answer.json(), "request_id": "", "instance": ""} for answer in answers]
            assert found[0] == found[1]
            assert answers[0].status_code == 404
    named = await platform.client.patch(
        path, json={"name": "کلید من"}, headers=someone.person.headers
    )
    assert named.status_code == 200, named.text
    assert [one["name"] for one in await _passkeys(someone)] == ["کلید من"]
    for wrong in ("", "  ", "a\nb", "a\0b", "x" * 81):
        answer = await platform.client.patch(
            path, json={"name": wrong}, headers=someone.person.headers
        )
        assert answer.status_code == 422, wrong


async def test_removing_wants_a_fresh_factor(platform: Platform, keyed: Any) -> None:
    someone = await keyed()
    (line,) = await _passkeys(someone)
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '16 minutes' WHERE user_id = $1",
        someone.person.id,
    )
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": someone.person.refresh_token}
    )
    headers = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    answer = await platform.client.delete(f"/v1/me/mfa/passkeys/{line['id']}", headers=headers)
    refused(answer, 403, "step_up_required")
    assert len(await _passkeys(someone)) == 1


async def test_removing_ends_sessions_and_tells_the_owner(
    platform: Platform, keyed: Any, post: Any
) -> None:
    someone = await keyed()
    await someone.register("second")
    elsewhere = (await someone.sign_in()).json()
    other = {"Authorization": f"Bearer {elsewhere['access_token']}"}
    assert (await platform.client.get("/v1/me", headers=other)).status_code == 200
    newest, oldest = await _passkeys(someone)
    removed = await platform.client.delete(
        f"/v1/me/mfa/passkeys/{oldest['id']}", headers=someone.person.headers
    )
    assert removed.status_code == 204, removed.text
    refused(await platform.client.get("/v1/me", headers=other), 401, "session_ended")
    me = await platform.client.get("/v1/me", headers=someone.person.headers)
    assert me.json()["mfa_enabled"] is True
    told = await post.last(someone.person.email, "passkey_removed")
    assert told["params"] == {"name": "My phone"}
    refused(await someone.sign_in(use=someone.held), 401, "invalid_passkey")

    last = await platform.client.delete(
        f"/v1/me/mfa/passkeys/{newest['id']}", headers=someone.person.headers
    )
    assert last.status_code == 204, last.text
    await post.last(someone.person.email, "mfa_disabled")
    gone = await platform.client.get("/v1/me", headers=someone.person.headers)
    refused(gone, 401, "session_ended")
    plain = await platform.login(someone.person.email)
    me = await platform.client.get("/v1/me", headers=plain.headers)
    assert me.json()["mfa_enabled"] is False
    left = await platform.sql(
        "SELECT count(*) AS n FROM identity.mfa_recovery_codes WHERE user_id = $1",
        someone.person.id,
    )
    assert left[0]["n"] == 0


async def test_the_last_way_in_stays(platform: Platform, keyed: Any) -> None:
    someone = await keyed()
    await platform.sql(
        "UPDATE identity.users SET password_hash = NULL WHERE id = $1", someone.person.id
    )
    (line,) = await _passkeys(someone)
    answer = await platform.client.delete(
        f"/v1/me/mfa/passkeys/{line['id']}", headers=someone.person.headers
    )
    refused(answer, 409, "last_way_in")
    assert len(await _passkeys(someone)) == 1
    await someone.register("second", password=None)
    answer = await platform.client.delete(
        f"/v1/me/mfa/passkeys/{line['id']}", headers=someone.person.headers
    )
    assert answer.status_code == 204, answer.text


async def test_an_app_beside_a_passkey_wants_it_fresh(
    platform: Platform, keyed: Any, post: Any
) -> None:
    import pyotp

    someone = await keyed()
    begun = await someone.post("/v1/me/mfa/totp")
    assert begun.status_code == 201, begun.text
    plain = await someone.verify((await someone.pending())["mfa_token"], code=someone.codes[0])
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '16 minutes' WHERE user_id = $1",
        someone.person.id,
    )
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": plain.json()["refresh_token"]}
    )
    stale = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    refused(await someone.post("/v1/me/mfa/totp", None, stale), 403, "step_up_required")
    now = platform.runtime.infra.clock.now()
    body = {"code": pyotp.TOTP(begun.json()["secret"]).at(now)}
    path = f"/v1/me/mfa/totp/{begun.json()['factor_id']}/confirm"
    refused(await someone.post(path, body, stale), 403, "step_up_required")
    confirmed = await someone.post(path, body)
    assert (confirmed.status_code, confirmed.json()["recovery_codes"]) == (200, [])
    pending = await someone.pending()
    assert pending["methods"] == ["totp", "passkey", "recovery_code"]
    removed = await platform.client.delete(
        "/v1/me/mfa/totp",
        headers={"Authorization": f"Bearer {confirmed.json()['access_token']}"},
    )
    assert removed.status_code == 204, removed.text
    assert (await someone.pending())["methods"] == ["passkey", "recovery_code"]
    for kind in ("totp_added", "totp_removed"):
        await post.last(someone.person.email, kind)


async def test_in_a_browser_the_tokens_stay_in_cookies(platform: Platform, bare: Any) -> None:
    import httpx

    from flatrender.testing.platform import PASSWORD

    person = await platform.person()
    device = Authenticator(ORIGIN)
    async with httpx.AsyncClient(transport=platform.client._transport, base_url=ORIGIN) as browser:
        body = {"email": person.email, "password": PASSWORD, "mode": "browser"}
        opened = await browser.post("/v1/auth/login", json=body, headers={"origin": ORIGIN})
        csrf = {"x-csrf-token": opened.json()["csrf_token"], "origin": ORIGIN}
        begun = await browser.post(
            "/v1/me/mfa/passkeys/options", json={"current_password": PASSWORD}, headers=csrf
        )
        made = device.create(begun.json()["public_key"])
        answer = await browser.post(
            "/v1/me/mfa/passkeys",
            json={
                "challenge_id": begun.json()["challenge_id"],
                "credential": made,
                "name": "here",
            },
            headers=csrf,
        )
        assert (answer.status_code, answer.json()["mode"]) == (201, "browser"), answer.text
        assert "access_token" not in answer.json()
        assert len(answer.headers.get_list("set-cookie")) == 2
        asked = (await browser.post("/v1/auth/passkey/options")).json()
        body = {
            "challenge_id": asked["challenge_id"],
            "passkey": device.get(asked["public_key"]),
            "mode": "browser",
        }
        evil = await browser.post(
            "/v1/auth/passkey/verify", json=body, headers={"origin": "https://evil.example"}
        )
        refused(evil, 403, "foreign_origin")
        opened = await browser.post("/v1/auth/passkey/verify", json=body, headers=csrf)
        assert (opened.status_code, opened.json()["mode"]) == (200, "browser"), opened.text
        assert (await browser.get("/v1/me", headers={"origin": ORIGIN})).status_code == 200
