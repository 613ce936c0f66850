"""Second factors: enrolling, replay, guessing, recovery codes, step-up."""

import asyncio
from typing import Any
from uuid import UUID

import jwt
import pytest

from flatrender.testing.platform import Platform


async def test_enrolling_shows_the_secret_once_and_tells_the_owner(
    platform: Platform, arm: Any
) -> None:
    someone = await arm()
    again = await platform.client.post("/v1/me/mfa/totp", headers=someone.person.headers)
    assert (again.status_code, again.json()["code"]) == (409, "factor_exists")
    assert len(set(someone.codes)) == 10
    rows = await platform.sql(
        "SELECT secret_enc FROM identity.mfa_factors WHERE user_id = $1", someone.person.id
    )
    assert someone.totp.secret.encode() not in bytes(rows[0][0])
    stored = await platform.sql(
        "SELECT code_hash FROM identity.mfa_recovery_codes WHERE user_id = $1", someone.person.id
    )
    assert not {bytes(row[0]) for row in stored} & {code.encode() for code in someone.codes}
    told = await platform.sql(
        "SELECT 1 FROM identity.outbox WHERE payload::text LIKE '%mfa_enabled%' "
        "AND payload::text LIKE '%' || $1 || '%'",
        someone.person.email,
    )
    assert len(told) == 1


async def test_confirming_at_once_makes_one_factor(platform: Platform) -> None:
    for _ in range(3):
        await _confirm_two_at_once(platform)


async def _confirm_two_at_once(platform: Platform) -> None:
    import pyotp

    person, other = await platform.person(), await platform.person()
    begun = []
    for _ in range(2):  # as two enrolments at once would leave them
        answer = await platform.client.post("/v1/me/mfa/totp", headers=person.headers)
        begun.append(answer.json())
        await platform.sql(
            "UPDATE identity.mfa_factors SET user_id = $2 WHERE user_id = $1", person.id, other.id
        )
    await platform.sql(
        "UPDATE identity.mfa_factors SET user_id = $1 WHERE user_id = $2", person.id, other.id
    )
    now = platform.runtime.infra.clock.now()
    answers = await asyncio.gather(
        *(
            platform.client.post(
                f"/v1/me/mfa/totp/{factor['factor_id']}/confirm",
                json={"code": pyotp.TOTP(factor["secret"]).at(now)},
                headers=person.headers,
            )
            for factor in begun
            for _ in range(2)
        )
    )
    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409]
    rows = await platform.sql(
        "SELECT count(*) FROM identity.mfa_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL",
        person.id,
    )
    assert rows[0][0] == 1


async def test_a_wrong_first_code_confirms_nothing(platform: Platform) -> None:
    person = await platform.person()
    begun = (await platform.client.post("/v1/me/mfa/totp", headers=person.headers)).json()
    stranger = await platform.person()
    theirs = await platform.client.post(
        f"/v1/me/mfa/totp/{begun['factor_id']}/confirm",
        json={"code": "123456"},
        headers=stranger.headers,
    )
    assert theirs.status_code == 404
    for code in ("abcdef", "12345678"):
        answer = await platform.client.post(
            f"/v1/me/mfa/totp/{begun['factor_id']}/confirm",
            json={"code": code},
            headers=person.headers,
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_mfa_code")
    me = await platform.client.get("/v1/me", headers=person.headers)
    assert me.json()["mfa_enabled"] is False


async def test_the_confirming_code_is_used_up(platform: Platform, arm: Any) -> None:
    someone = await arm()
    used = someone.totp.at(platform.runtime.infra.clock.now())
    token = await someone.pending()
    replay = await someone.verify(token, used)
    assert (replay.status_code, replay.json()["code"]) == (401, "invalid_mfa_code")
    assert (await someone.verify(token, someone.next_code())).status_code == 200
    over = await someone.verify(token, someone.codes[0])
    assert (over.status_code, over.json()["code"]) == (401, "invalid_mfa_token")


async def test_persian_digits_are_digits(arm: Any) -> None:
    someone = await arm()
    code = someone.next_code().translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))
    assert (await someone.verify(await someone.pending(), code)).status_code == 200


async def test_a_challenge_takes_five_wrong_codes_also_at_once(arm: Any) -> None:
    someone = await arm()
    token = await someone.pending()
    wrong = someone.wrong_code()
    answers = await asyncio.gather(*(someone.verify(token, wrong) for _ in range(9)))
    codes = sorted(a.json()["code"] for a in answers)
    assert codes == ["invalid_mfa_code"] * 5 + ["invalid_mfa_token"] * 4
    late = await someone.verify(token, someone.next_code())
    assert (late.status_code, late.json()["code"]) == (401, "invalid_mfa_token")
    fresh = await someone.verify(await someone.pending(), someone.next_code())
    assert fresh.status_code == 200


async def test_ten_wrong_codes_lock_the_account_for_a_quarter(platform: Platform, arm: Any) -> None:
    someone = await arm()
    tokens = [await someone.pending() for _ in range(4)]
    wrong = someone.wrong_code()
    answers = await asyncio.gather(
        *(someone.verify(token, wrong) for token in tokens for _ in range(4))
    )
    codes = sorted(a.json()["code"] for a in answers)
    assert codes == ["invalid_mfa_code"] * 10 + ["mfa_locked"] * 6
    locked = await someone.verify(tokens[0], someone.next_code())
    assert (locked.status_code, locked.json()["code"]) == (429, "mfa_locked")
    assert 800 < int(locked.headers["retry-after"]) <= 900
    recovery = await someone.verify(tokens[0], someone.codes[0])
    assert recovery.json()["code"] == "mfa_locked"  # shared across factors
    step_up = await platform.client.post(
        "/v1/me/mfa/step-up", json={"code": someone.codes[0]}, headers=someone.person.headers
    )
    assert step_up.json()["code"] == "mfa_locked"
    await platform.sql(
        "UPDATE identity.users SET mfa_locked_until = now() - interval '1 second' WHERE id = $1",
        someone.person.id,
    )
    open_again = await someone.verify(await someone.pending(), someone.next_code())
    assert open_again.status_code == 200


async def test_a_right_code_gives_the_tries_back(platform: Platform, arm: Any) -> None:
    someone = await arm()
    wrong = someone.wrong_code()
    token = await someone.pending()
    for _ in range(4):
        await someone.verify(token, wrong)
    assert (await someone.verify(token, someone.codes[0])).status_code == 200
    rows = await platform.sql(
        "SELECT mfa_failed_attempts FROM identity.users WHERE id = $1", someone.person.id
    )
    assert rows[0][0] == 0


async def test_a_recovery_code_burns_once_among_twenty(platform: Platform, arm: Any) -> None:
    someone = await arm()
    await platform.sql(  # far from the lock: this is about the code
        "UPDATE identity.users SET mfa_failed_attempts = -50 WHERE id = $1", someone.person.id
    )
    tokens = [await someone.pending() for _ in range(20)]
    typed = someone.codes[3].lower().replace("-", "")
    answers = await asyncio.gather(*(someone.verify(token, typed) for token in tokens))
    codes = [a.status_code for a in answers]
    assert codes.count(200) == 1
    assert set(codes) <= {200, 401, 429}  # the wrong ones may reach the lock
    left = await platform.sql(
        "SELECT count(*) FROM identity.mfa_recovery_codes WHERE user_id = $1 AND used_at IS NULL",
        someone.person.id,
    )
    assert left[0][0] == 9
    neighbour = await arm()
    foreign = await neighbour.verify(await neighbour.pending(), someone.codes[5])
    assert foreign.status_code == 401


async def test_stepping_up_freshens_this_session(platform: Platform, arm: Any) -> None:
    someone = await arm()
    plain = jwt.decode(someone.person.access_token, options={"verify_signature": False})
    assert plain["mfa_at"] == 0
    answer = await platform.client.post(
        "/v1/me/mfa/step-up", json={"code": someone.next_code()}, headers=someone.person.headers
    )
    assert answer.status_code == 200, answer.text
    fresh = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    now = platform.runtime.infra.clock.now().timestamp()
    assert abs(now - fresh["mfa_at"]) < 60
    assert fresh["sid"] == plain["sid"]
    refreshed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": answer.json()["refresh_token"]}
    )
    again = jwt.decode(refreshed.json()["access_token"], options={"verify_signature": False})
    assert again["mfa_at"] == fresh["mfa_at"]
    wrong = await platform.client.post(
        "/v1/me/mfa/step-up", json={"code": someone.wrong_code()}, headers=someone.person.headers
    )
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_mfa_code")


async def test_an_mfa_token_of_a_session_token_is_none(platform: Platform, arm: Any) -> None:
    someone = await arm()
    for token in (someone.person.access_token, someone.person.refresh_token, "x"):
        answer = await someone.verify(token, someone.next_code())
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_mfa_token")


async def _aged(platform: Platform, person: Any, minutes: int) -> dict[str, str]:
    """Return headers of the person's session as they are so long after its second factor."""
    sid = jwt.decode(person.access_token, options={"verify_signature": False})["sid"]
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - make_interval(mins => $2) WHERE id = $1",
        UUID(sid),
        minutes,
    )
    tokens = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": person.refresh_token}
    )
    assert tokens.status_code == 200, tokens.text
    return {"Authorization": f"Bearer {tokens.json()['access_token']}"}


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/v1/me/mfa/totp"), ("POST", "/v1/me/mfa/recovery-codes")]
)
async def test_changing_the_factor_wants_it_fresh(
    platform: Platform, arm: Any, method: str, path: str
) -> None:
    someone = await arm()
    stale = await _aged(platform, someone.person, 17)
    for headers in (someone.person.headers, stale):  # never shown in this session, and too long ago
        refused = await platform.client.request(method, path, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
        assert "totp" in refused.json()["methods"]
    me = await platform.client.get("/v1/me", headers=stale)
    assert me.json()["mfa_enabled"] is True
    left = await platform.sql(
        "SELECT count(*) AS n FROM identity.mfa_recovery_codes WHERE user_id = $1 "
        "AND used_at IS NULL",
        someone.person.id,
    )
    assert left[0]["n"] == 10


async def _stepped_up(platform: Platform, someone: Any) -> dict[str, str]:
    answer = await platform.client.post(
        "/v1/me/mfa/step-up", json={"code": someone.next_code()}, headers=someone.person.headers
    )
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def test_removing_the_app_ends_every_session_and_tells_the_owner(
    platform: Platform, arm: Any
) -> None:
    someone, neighbour = await arm(), await arm()
    elsewhere = await someone.verify(await someone.pending(), someone.codes[0])
    other = {"Authorization": f"Bearer {elsewhere.json()['access_token']}"}
    assert (await platform.client.get("/v1/me", headers=other)).status_code == 200
    fresh = await _stepped_up(platform, someone)
    removed = await platform.client.delete("/v1/me/mfa/totp", headers=fresh)
    assert removed.status_code == 204, removed.text
    for headers in (fresh, other):
        gone = await platform.client.get("/v1/me", headers=headers)
        assert (gone.status_code, gone.json()["code"]) == (401, "session_ended")
    again = await platform.login(someone.person.email)  # the password is enough again
    me = await platform.client.get("/v1/me", headers=again.headers)
    assert me.json()["mfa_enabled"] is False
    rows = await platform.sql(
        "SELECT (SELECT count(*) FROM identity.mfa_factors WHERE user_id = u.id) AS factors, "
        "(SELECT count(*) FROM identity.mfa_recovery_codes WHERE user_id = u.id) AS codes, "
        "(SELECT count(*) FROM identity.outbox WHERE payload::text LIKE '%mfa_disabled%' "
        "AND payload::text LIKE '%' || u.email || '%') AS told "
        "FROM identity.users u WHERE id = $1",
        someone.person.id,
    )
    assert tuple(rows[0]) == (0, 0, 1)
    theirs = await platform.client.get("/v1/me", headers=neighbour.person.headers)
    assert theirs.json()["mfa_enabled"] is True


async def test_staff_without_their_app_cannot_act_any_more(platform: Platform) -> None:
    admin = await platform.admin()
    removed = await platform.client.delete("/v1/me/mfa/totp", headers=admin.headers)
    assert removed.status_code == 204, removed.text
    again = await platform.login(admin.email)
    refused = await platform.client.get("/v1/admin/templates", headers=again.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "mfa_required")


async def test_new_recovery_codes_void_the_old_ones(platform: Platform, arm: Any) -> None:
    someone = await arm()
    fresh = await _stepped_up(platform, someone)
    answer = await platform.client.post("/v1/me/mfa/recovery-codes", headers=fresh)
    assert answer.status_code == 201, answer.text
    codes = answer.json()["recovery_codes"]
    assert len(set(codes)) == 10
    assert not set(codes) & set(someone.codes)
    old = await someone.verify(await someone.pending(), someone.codes[0])
    assert (old.status_code, old.json()["code"]) == (401, "invalid_mfa_code")
    assert (await someone.verify(await someone.pending(), codes[0])).status_code == 200
    await platform.sql("DELETE FROM identity.mfa_factors WHERE user_id = $1", someone.person.id)
    await platform.sql(
        "UPDATE identity.users SET mfa_enabled = false WHERE id = $1", someone.person.id
    )
    for method, path in (("DELETE", "/v1/me/mfa/totp"), ("POST", "/v1/me/mfa/recovery-codes")):
        nothing = await platform.client.request(method, path, headers=fresh)
        assert nothing.status_code == 404


async def test_people_see_what_factors_they_have(platform: Platform, arm: Any) -> None:
    armed = await arm()
    seen = await platform.client.get("/v1/me/mfa", headers=armed.person.headers)
    assert seen.json() == {"methods": ["totp", "recovery_code"], "recovery_codes_left": 10}
    used = await armed.verify(await armed.pending(), armed.codes[0])
    assert used.status_code == 200, used.text
    seen = await platform.client.get("/v1/me/mfa", headers=armed.person.headers)
    assert seen.json()["recovery_codes_left"] == 9
    bare = await platform.person()
    seen = await platform.client.get("/v1/me/mfa", headers=bare.headers)
    assert seen.json() == {"methods": [], "recovery_codes_left": 0}
