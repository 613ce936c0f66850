"""Sessions: refreshing, ending, and tokens that others can verify."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from flatrender.testing.platform import Person, Platform
from flatrender_identity.domain import RefreshToken, issue_refresh


async def _refresh(platform: Platform, token: str) -> Any:
    return await platform.client.post("/v1/auth/refresh", json={"refresh_token": token})


async def test_one_step_behind_answers_the_current_one_for_ten_seconds(
    platform: Platform, session_of: Callable[[Person], Awaitable[UUID]]
) -> None:
    person = await platform.person()
    first = await _refresh(platform, person.refresh_token)
    current = first.json()["refresh_token"]
    again = await _refresh(platform, person.refresh_token)
    assert (again.status_code, again.json()["refresh_token"]) == (200, current)
    await platform.sql(
        "UPDATE identity.sessions SET rotated_at = now() - interval '11 seconds' WHERE id = $1",
        await session_of(person),
    )
    late = await _refresh(platform, person.refresh_token)
    assert (late.status_code, late.json()["code"]) == (401, "invalid_refresh_token")
    assert (await _refresh(platform, current)).status_code == 401


async def test_refreshes_that_meet_in_their_transactions_make_one_successor(
    platform: Platform, session_of: Callable[[Person], Awaitable[UUID]]
) -> None:
    person = await platform.person()
    session = await session_of(person)
    row = "SELECT FROM identity.sessions WHERE id = $1 FOR UPDATE"
    async with platform.held(row, session):
        tabs = [asyncio.create_task(_refresh(platform, person.refresh_token)) for _ in range(3)]
        await platform.waiters(3, of="identity.sessions")
    answers = await asyncio.gather(*tabs)
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    successors = {answer.json()["refresh_token"] for answer in answers}
    rows = await platform.sql("SELECT counter FROM identity.sessions WHERE id = $1", session)
    assert (len(successors), rows[0]["counter"]) == (1, 1)


async def test_an_old_token_ends_its_own_session_only(platform: Platform) -> None:
    person = await platform.person()
    other = await platform.login(person.email)
    token = person.refresh_token
    for _ in range(2):
        token = (await _refresh(platform, token)).json()["refresh_token"]
    live = await platform.client.get("/v1/me", headers=person.headers)
    assert live.status_code == 200  # and remembered as live
    assert (await _refresh(platform, person.refresh_token)).status_code == 401
    dead = await platform.client.get("/v1/me", headers=person.headers)
    assert (dead.status_code, dead.json()["code"]) == (401, "session_ended")
    assert (await platform.client.get("/v1/me", headers=other.headers)).status_code == 200
    assert (await _refresh(platform, other.refresh_token)).status_code == 200


async def test_a_refresh_token_of_another_deployment_is_refused(
    platform: Platform, session_of: Callable[[Person], Awaitable[UUID]]
) -> None:
    person = await platform.person()
    session = await session_of(person)
    foreign = issue_refresh(b"another deployment's key", RefreshToken(session, 0))
    for token in (foreign, foreign[:-1], "fr1.x.0.y", "fr1" * 100):
        answer = await _refresh(platform, token)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")
    assert (await _refresh(platform, person.refresh_token)).status_code == 200


@pytest.mark.parametrize("column", ["idle_expires_at", "absolute_expires_at"])
async def test_a_session_that_ran_out_is_over(
    platform: Platform, session_of: Callable[[Person], Awaitable[UUID]], column: str
) -> None:
    person = await platform.person()
    await platform.sql(
        f"UPDATE identity.sessions SET {column} = now() - interval '1 second' WHERE id = $1",
        await session_of(person),
    )
    assert (await _refresh(platform, person.refresh_token)).status_code == 401


async def test_refreshing_never_passes_the_absolute_end(
    platform: Platform, session_of: Callable[[Person], Awaitable[UUID]]
) -> None:
    person = await platform.person()
    await platform.sql(
        "UPDATE identity.sessions SET absolute_expires_at = now() + interval '1 hour' "
        "WHERE id = $1",
        await session_of(person),
    )
    answer = await _refresh(platform, person.refresh_token)
    assert 3500 <= answer.json()["refresh_expires_in"] <= 3600
    rows = await platform.sql(
        "SELECT idle_expires_at <= absolute_expires_at FROM identity.sessions WHERE id = $1",
        await session_of(person),
    )
    assert rows[0][0] is True


async def test_sessions_are_listed_and_ended(platform: Platform) -> None:
    person = await platform.person()
    other = await platform.login(person.email)
    listed = (await platform.client.get("/v1/me/sessions", headers=person.headers)).json()
    assert len(listed["data"]) == 2
    claims = jwt.decode(other.access_token, options={"verify_signature": False})
    ended = await platform.client.delete(f"/v1/me/sessions/{claims['sid']}", headers=person.headers)
    assert ended.status_code == 204
    gone = await platform.client.get("/v1/me", headers=other.headers)
    assert (gone.status_code, gone.json()["code"]) == (401, "session_ended")
    assert (await _refresh(platform, other.refresh_token)).status_code == 401
    left = (await platform.client.get("/v1/me/sessions", headers=person.headers)).json()
    assert len(left["data"]) == 1


async def test_anothers_session_is_not_there(
    platform: Platform, session_of: Callable[[Person], Awaitable[UUID]]
) -> None:
    _tenant, key = await platform.tenant()
    victim = await platform.person()
    session = str(await session_of(victim))
    missing = str(uuid4())
    for stranger in (await platform.person(), await platform.person(tenant_key=key)):
        theirs, nobodys = [
            await platform.client.delete(f"/v1/me/sessions/{found}", headers=stranger.headers)
            for found in (session, missing)
        ]
        assert theirs.status_code == nobodys.status_code == 404
        bodies = [a.json() for a in (theirs, nobodys)]
        for body, found in zip(bodies, (session, missing), strict=True):
            del body["request_id"]
            if "instance" in body:
                body["instance"] = body["instance"].replace(found, "")
        assert bodies[0] == bodies[1]
    assert (await platform.client.get("/v1/me", headers=victim.headers)).status_code == 200


async def test_logout_ends_the_refresh_token_too(platform: Platform) -> None:
    person = await platform.person()
    assert (
        await platform.client.post("/v1/auth/logout", headers=person.headers)
    ).status_code == 204
    assert (await _refresh(platform, person.refresh_token)).status_code == 401


async def test_the_published_keys_verify_our_tokens(platform: Platform) -> None:
    person = await platform.person()
    keys = (await platform.client.get("/.well-known/jwks.json")).json()
    assert all("d" not in key for key in keys["keys"])
    kid = jwt.get_unverified_header(person.access_token)["kid"]
    key = next(key for key in keys["keys"] if key["kid"] == kid)
    claims = jwt.decode(
        person.access_token,
        jwt.PyJWK(key).key,
        algorithms=["ES256"],
        audience="flatrender",
        issuer="flatrender-identity",
    )
    assert claims["sub"] == str(person.id) or claims["user_id"] == str(person.id)
    assert claims["tenant_id"] == str(person.tenant_id)
    assert 0 < claims["exp"] - time.time() <= 900


async def test_only_an_access_token_is_access(platform: Platform, arm: Any) -> None:
    someone = await arm()
    for token in (someone.person.refresh_token, await someone.pending(), "x.y.z", ""):
        answer = await platform.client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401, token
