"""Passkeys used: to sign in alone, as second factor, and to step up."""

import asyncio
from typing import Any

import jwt
import pytest
from authenticator import PRESENT, VERIFIED

from flatrender.testing.platform import Platform


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_passkey_signs_in_alone(platform: Platform, keyed: Any) -> None:
    someone = await keyed()
    asked = await someone.ask()
    assert asked["public_key"]["allowCredentials"] == []  # nobody is named
    assert asked["public_key"]["userVerification"] == "required"
    answer = await someone.show(asked, someone.device.get(asked["public_key"]), device="phone")
    assert answer.status_code == 200, answer.text
    assert answer.json()["user"]["id"] == str(someone.person.id)
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    listed = await platform.client.get("/v1/me/sessions", headers=headers)
    (session,) = [one for one in listed.json()["data"] if one["current"]]
    assert (session["methods"], session["device_name"]) == (["passkey"], "phone")
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert claims["mfa_at"] > 0  # its owner was verified: two factors
    (line,) = (await platform.client.get("/v1/me/mfa/passkeys", headers=headers)).json()["data"]
    assert line["last_used_at"] is not None


async def test_staff_may_act_after_signing_in_by_passkey(platform: Platform, bare: Any) -> None:
    staff = await bare(role="admin")
    path = "/v1/admin/members"
    before = await platform.client.get(path, headers=staff.person.headers)
    refused(before, 403, "mfa_required")
    assert (await staff.register()).status_code == 201
    registered = await platform.client.get(path, headers=staff.person.headers)
    assert registered.status_code == 200, registered.text
    staff.take((await staff.sign_in()).json())
    acted = await platform.client.get(path, headers=staff.person.headers)
    assert acted.status_code == 200, acted.text


async def test_a_passkey_is_a_second_factor(platform: Platform, keyed: Any) -> None:
    someone = await keyed()
    pending = await someone.pending()
    assert pending["methods"] == ["passkey", "recovery_code"]
    asked = await someone.ask_second(pending["mfa_token"])
    (allowed,) = asked.json()["public_key"]["allowCredentials"]
    used = someone.device.get(asked.json()["public_key"], user_handle=None)
    assert allowed["id"] == used["id"]
    answer = await someone.verify(pending["mfa_token"], passkey=used)
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    listed = await platform.client.get("/v1/me/sessions", headers=headers)
    (session,) = [one for one in listed.json()["data"] if one["current"]]
    assert session["methods"] == ["pwd", "passkey"]
    replayed = await someone.verify(pending["mfa_token"], passkey=used)
    refused(replayed, 401, "invalid_mfa_token")
    refused(await someone.ask_second(pending["mfa_token"]), 401, "invalid_mfa_token")
    refused(await someone.ask_second("x"), 401, "invalid_mfa_token")


async def test_a_passkey_steps_up(platform: Platform, keyed: Any) -> None:
    someone = await keyed()
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '16 minutes' WHERE user_id = $1",
        someone.person.id,
    )
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": someone.person.refresh_token}
    )
    someone.take(renewed.json())
    refused(await someone.post("/v1/me/mfa/recovery-codes"), 403, "step_up_required")
    stepped = await someone.step_up()
    assert stepped.status_code == 200, stepped.text
    someone.take(stepped.json())
    assert (await someone.post("/v1/me/mfa/recovery-codes")).status_code == 201
    for half in ({"challenge_id": "0" * 32}, {}, {"code": "123456", "challenge_id": "0" * 32}):
        assert (await someone.post("/v1/me/mfa/step-up", half)).status_code in (400, 422)


WRONG = [
    {"origin": "https://evil.example"},
    {"origin": "http://testserver.local:81"},
    {"origin": "null"},
    {"cross_origin": True},
    {"rp_id": "evil.example"},
    {"type": "webauthn.create"},
    {"challenge": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    {"flags": VERIFIED},
    {"flags": PRESENT},
    {"user_handle": b"somebody else"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
async def test_what_does_not_hold_opens_no_session(keyed: Any, wrong: dict[str, Any]) -> None:
    someone = await keyed()
    before = await someone.sessions()
    refused(await someone.sign_in(**wrong), 401, "invalid_passkey")
    pending = await someone.pending()
    refused(await someone.second(pending["mfa_token"], **wrong), 401, "invalid_passkey")
    refused(await someone.step_up(**wrong), 401, "invalid_passkey")
    assert await someone.sessions() == before
    assert (await someone.sign_in()).status_code == 200


async def test_a_foreign_signature_opens_nothing(keyed: Any) -> None:
    someone, thief = await keyed(), await keyed()
    asked = await someone.ask()
    used = someone.device.get(asked["public_key"])
    forged = thief.device.get(asked["public_key"], user_handle=someone.held.user_handle)
    used["response"]["signature"] = forged["response"]["signature"]
    refused(await someone.show(asked, used), 401, "invalid_passkey")


async def test_anothers_passkey_opens_and_proves_nothing(platform: Platform, keyed: Any) -> None:
    someone, other = await keyed(), await keyed()
    before = await someone.sessions()
    # the other's passkey, said to be this person's
    asked = await other.ask()
    used = other.device.get(asked["public_key"], user_handle=someone.held.user_handle)
    refused(await other.show(asked, used), 401, "invalid_passkey")
    pending = await someone.pending()
    for handle in (other.held.user_handle, someone.held.user_handle, None):
        says = {"use": other.held, "user_handle": handle}
        asked = (await someone.ask_second(pending["mfa_token"])).json()
        used = other.device.get(asked["public_key"], **says)
        answer = await someone.verify(pending["mfa_token"], passkey=used)
        refused(answer, 401, "invalid_passkey")
        asked = (await someone.post("/v1/me/mfa/step-up/options")).json()
        used = other.device.get(asked["public_key"], **says)
        body = {"challenge_id": asked["challenge_id"], "passkey": used}
        refused(await someone.post("/v1/me/mfa/step-up", body), 401, "invalid_passkey")
    # this person's own, at another's challenge
    asked = (await someone.post("/v1/me/mfa/step-up/options")).json()
    used = other.device.get({**asked["public_key"], "allowCredentials": []})
    body = {"challenge_id": asked["challenge_id"], "passkey": used}
    refused(await other.post("/v1/me/mfa/step-up", body), 401, "invalid_passkey")
    assert await someone.sessions() == before


async def test_another_tenants_passkey_is_unknown_here(platform: Platform, keyed: Any) -> None:
    _, key = await platform.tenant()
    foreigner, here = await keyed(tenant_key=key), await keyed()
    asked = await here.ask()
    used = foreigner.device.get(asked["public_key"])
    refused(await here.show(asked, used), 401, "invalid_passkey")
    theirs = await foreigner.ask()
    used = foreigner.device.get(theirs["public_key"])
    refused(await here.show(theirs, used), 401, "invalid_passkey")  # at the wrong tenant's door
    assert (await foreigner.sign_in()).status_code == 200


async def test_a_challenge_is_good_once_for_its_purpose_and_in_time(
    platform: Platform, keyed: Any
) -> None:
    someone = await keyed()
    asked = await someone.ask()
    used = someone.device.get(asked["public_key"])
    assert (await someone.show(asked, used)).status_code == 200
    refused(await someone.show(asked, used), 401, "invalid_passkey")
    fresh = someone.device.get(asked["public_key"])  # signed anew, the counter in order
    refused(await someone.show(asked, fresh), 401, "invalid_passkey")
    # a wrong answer uses it up as well
    asked = await someone.ask()
    wrong = someone.device.get(asked["public_key"], origin="https://evil.example")
    refused(await someone.show(asked, wrong), 401, "invalid_passkey")
    right = someone.device.get(asked["public_key"])
    refused(await someone.show(asked, right), 401, "invalid_passkey")
    # step-up's challenge signs nobody in, and the other way round
    step_up = (await someone.post("/v1/me/mfa/step-up/options")).json()
    used = someone.device.get(step_up["public_key"])
    refused(await someone.show(step_up, used), 401, "invalid_passkey")
    alone = await someone.ask()
    used = someone.device.get(alone["public_key"])
    body = {"challenge_id": alone["challenge_id"], "passkey": used}
    refused(await someone.post("/v1/me/mfa/step-up", body), 401, "invalid_passkey")
    # a new passkey's challenge steps nobody up
    enrol = (await someone.begin()).json()
    asked = {"challenge": enrol["public_key"]["challenge"], "rpId": "testserver.local"}
    body = {"challenge_id": enrol["challenge_id"], "passkey": someone.device.get(asked)}
    refused(await someone.post("/v1/me/mfa/step-up", body), 401, "invalid_passkey")
    # of another session of the same person
    other = (await someone.sign_in()).json()
    step_up = (await someone.post("/v1/me/mfa/step-up/options")).json()
    used = someone.device.get(step_up["public_key"])
    body = {"challenge_id": step_up["challenge_id"], "passkey": used}
    headers = {"Authorization": f"Bearer {other['access_token']}"}
    refused(await someone.post("/v1/me/mfa/step-up", body, headers), 401, "invalid_passkey")
    # asking anew voids the second factor's earlier options
    pending = await someone.pending()
    first = (await someone.ask_second(pending["mfa_token"])).json()
    await someone.ask_second(pending["mfa_token"])
    used = someone.device.get(first["public_key"])
    refused(await someone.verify(pending["mfa_token"], passkey=used), 401, "invalid_passkey")
    # and a wrong answer uses it up as well
    asked = (await someone.ask_second(pending["mfa_token"])).json()
    wrong = someone.device.get(asked["public_key"], origin="https://evil.example")
    refused(await someone.verify(pending["mfa_token"], passkey=wrong), 401, "invalid_passkey")
    right = someone.device.get(asked["public_key"])
    refused(await someone.verify(pending["mfa_token"], passkey=right), 401, "invalid_passkey")
    late = await someone.ask()
    await platform.sql(
        "UPDATE identity.mfa_challenges SET expires_at = now() WHERE id = $1::text::uuid",
        late["challenge_id"],
    )
    used = someone.device.get(late["public_key"])
    refused(await someone.show(late, used), 401, "invalid_passkey")


async def test_one_challenge_shown_twenty_times_opens_one_session(keyed: Any) -> None:
    someone = await keyed()
    someone.held.counts = False  # as synced passkeys: nothing but the challenge tells two apart
    await someone.platform.sql(
        "UPDATE identity.mfa_factors SET sign_count = 0 WHERE user_id = $1", someone.person.id
    )
    someone.held.sign_count = 0
    before = await someone.sessions()
    asked = await someone.ask()
    used = someone.device.get(asked["public_key"])
    answers = await asyncio.gather(*(someone.show(asked, used) for _ in range(20)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] + [401] * 19
    assert await someone.sessions() == before + 1

    pending = await someone.pending()
    asked = (await someone.ask_second(pending["mfa_token"])).json()
    used = someone.device.get(asked["public_key"])
    answers = await asyncio.gather(
        *(someone.verify(pending["mfa_token"], passkey=used) for _ in range(20))
    )
    codes = [answer.status_code for answer in answers]
    assert codes.count(200) == 1
    assert set(codes) <= {200, 401, 429}  # the tries are counted
    assert await someone.sessions() == before + 2


async def test_a_counter_that_goes_back_is_refused_and_told(
    platform: Platform, keyed: Any, post: Any
) -> None:
    someone = await keyed()
    assert (await someone.sign_in()).status_code == 200
    assert (await someone.sign_in()).status_code == 200
    before = await someone.sessions()
    for number, copied in enumerate((1, 2, 0), start=1):  # the copy has seen fewer uses
        refused(await someone.sign_in(sign_count=copied), 401, "invalid_passkey")
        told = await post.last(someone.person.email, "passkey_copied", number=number)
        assert told["params"] == {"name": "My phone"}
    pending = await someone.pending()
    refused(await someone.second(pending["mfa_token"], sign_count=1), 401, "invalid_passkey")
    refused(await someone.step_up(sign_count=1), 401, "invalid_passkey")
    await post.last(someone.person.email, "passkey_copied", number=5)
    assert await someone.sessions() == before
    log = await platform.client.get("/v1/me/security-log", headers=someone.person.headers)
    kinds = [line["kind"] for line in log.json()["data"]]
    assert kinds.count("passkey_counter_went_back") == 5
    assert (await someone.sign_in()).status_code == 200


async def test_who_may_not_sign_in_does_not(platform: Platform, keyed: Any) -> None:
    someone = await keyed()
    for change, back in (
        ("status = 'Banned'", "status = 'Active'"),
        ("deleted_at = now()", "deleted_at = NULL"),
    ):
        await platform.sql(f"UPDATE identity.users SET {change} WHERE id = $1", someone.person.id)
        refused(await someone.sign_in(), 401, "invalid_passkey")
        await platform.sql(f"UPDATE identity.users SET {back} WHERE id = $1", someone.person.id)
    assert (await someone.sign_in()).status_code == 200


async def test_wrong_answers_are_counted_across_factors(platform: Platform, keyed: Any) -> None:
    someone = await keyed()
    pending = await someone.pending()
    wrong = {"origin": "https://evil.example"}
    for _ in range(3):
        refused(await someone.second(pending["mfa_token"], **wrong), 401, "invalid_passkey")
    for _ in range(2):
        answer = await someone.verify(pending["mfa_token"], code="AAAAA-AAAAA")
        refused(answer, 401, "invalid_mfa_code")
    over = await someone.verify(pending["mfa_token"], code=someone.codes[0])
    refused(over, 401, "invalid_mfa_token")  # five a sign-in
    for _ in range(5):
        refused(await someone.step_up(**wrong), 401, "invalid_passkey")
    answer = await someone.post("/v1/me/mfa/step-up", {"code": someone.codes[0]})
    refused(answer, 429, "mfa_locked")  # ten an account
    locked = await someone.sign_in()
    refused(locked, 429, "mfa_locked")
    assert 0 < int(locked.headers["retry-after"]) <= 900
    await platform.sql(
        "UPDATE identity.users SET mfa_locked_until = now() WHERE id = $1", someone.person.id
    )
    assert (await someone.sign_in()).status_code == 200
    rows = await platform.sql(
        "SELECT mfa_failed_attempts FROM identity.users WHERE id = $1", someone.person.id
    )
    assert rows[0][0] == 0


async def test_the_refusal_speaks_persian(keyed: Any) -> None:
    someone = await keyed()
    asked = await someone.ask()
    used = someone.device.get(asked["public_key"], origin="https://evil.example")
    answer = await someone.platform.client.post(
        "/v1/auth/passkey/verify",
        json={"challenge_id": asked["challenge_id"], "passkey": used},
        headers={"accept-language": "fa"},
    )
    refused(answer, 401, "invalid_passkey")
    assert answer.json()["title"] == "کلید عبور پذیرفته نشد"


async def test_stepping_up_names_what_the_person_has(
    platform: Platform, keyed: Any, bare: Any
) -> None:
    nothing = await bare()
    path = "/v1/me/mfa/recovery-codes"
    answer = await nothing.post(path)
    refused(answer, 403, "step_up_required")
    assert answer.json()["methods"] == []
    someone = await keyed()
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = NULL WHERE user_id = $1", someone.person.id
    )
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": someone.person.refresh_token}
    )
    someone.take(renewed.json())
    answer = await someone.post(path)
    refused(answer, 403, "step_up_required")
    assert answer.json()["methods"] == ["passkey", "recovery_code"]
    await platform.sql(
        "UPDATE identity.mfa_recovery_codes SET used_at = now() WHERE user_id = $1",
        someone.person.id,
    )
    assert (await someone.post(path)).json()["methods"] == ["passkey"]
    await platform.sql(
        "UPDATE identity.mfa_factors SET rp_id = 'elsewhere.example' WHERE user_id = $1",
        someone.person.id,
    )
    assert (await someone.post(path)).json()["methods"] == []
    assert (await someone.pending())["methods"] == []


async def test_signing_in_alone_names_its_owner(keyed: Any) -> None:
    someone = await keyed()
    refused(await someone.sign_in(user_handle=None), 401, "invalid_passkey")
    assert (await someone.sign_in()).status_code == 200


async def test_one_login_finishes_once_whatever_is_shown(keyed: Any) -> None:
    someone = await keyed()
    token = (await someone.pending())["mfa_token"]
    asked = (await someone.ask_second(token)).json()
    before = await someone.sessions()
    answers = await asyncio.gather(
        someone.verify(token, passkey=someone.device.get(asked["public_key"])),
        *(someone.verify(token, code=code) for code in someone.codes[:4]),
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] + [401] * 4, [answer.text for answer in answers]
    assert await someone.sessions() == before + 1
