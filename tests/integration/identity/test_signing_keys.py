"""Signing keys that follow one another, seen from two processes of one deployment."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from click.testing import CliRunner

from flatrender.testing.platform import FAST, Person, Platform, run_platform
from flatrender.testing.plugin import TestDatabase
from flatrender_identity.services.key_rotation import KeyRotation

ROTATE = "/v1/admin/signing-keys/rotate"
WHY = {"reason": "as every quarter"}


class Process:
    """One process, whose clock can be moved on."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.client = platform, platform.client
        self._ahead = 0.0
        clock: Any = platform.runtime.infra.clock
        clock.monotonic = lambda: time.monotonic() + self._ahead

    def let_pass(self, seconds: float) -> None:
        self._ahead += seconds

    async def status(self, person: Person) -> int:
        return (await self.client.get("/v1/me", headers=person.headers)).status_code

    async def published(self) -> set[str]:
        keys = (await self.client.get("/.well-known/jwks.json")).json()["keys"]
        assert all("d" not in key for key in keys)
        return {key["kid"] for key in keys}


class Deployment:
    """Two processes on one database of their own."""

    def __init__(self, one: Process, two: Process, environment: dict[str, str]) -> None:
        self.one, self.two, self.environment = one, two, environment
        self.sql = one.platform.sql

    async def keep(self) -> None:
        """Run the scheduled task once."""
        await self.one.platform.runtime.plugins["identity"].context.get(KeyRotation).keep()

    async def kid(self, state: str) -> str | None:
        rows = await self.sql("SELECT kid FROM identity.signing_keys WHERE state = $1", state)
        return rows[0]["kid"] if rows else None

    async def ready(self) -> tuple[str, str]:
        """Have a next key that everybody has known for long; returns the current and the next."""
        await self.keep()
        await self.sql(
            "UPDATE identity.signing_keys SET created_at = created_at - interval '1 hour' "
            "WHERE state = 'next'"
        )
        for process in (self.one, self.two):
            process.let_pass(61)
        current, following = await self.kid("current"), await self.kid("next")
        assert current
        assert following
        return current, following


@pytest.fixture(scope="module")
async def deployment(
    server_environment: dict[str, str], clone_database: Callable[[], TestDatabase]
) -> AsyncIterator[Deployment]:
    environment = {
        **server_environment,
        "FLATRENDER_DATABASE_NAME": clone_database().name,
        "FLATRENDER_VALKEY_PREFIX": f"keys{secrets.token_hex(4)}",
    }
    async with (
        run_platform(environment, worker=False) as one,
        run_platform(environment, worker=False) as two,
    ):
        await one.person()  # the first token makes the first key
        yield Deployment(Process(one), Process(two), environment)


def kid_of(token: str) -> str:
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


async def test_rotating_logs_nobody_out(deployment: Deployment) -> None:
    one, two = deployment.one, deployment.two
    admin, person = await one.platform.admin(), await one.platform.person()
    current, following = await deployment.ready()
    assert kid_of(person.access_token) == current
    assert await two.status(person) == 200
    assert {current, following} <= await one.published()

    answer = await one.client.post(ROTATE, json=WHY, headers=admin.headers)
    assert (answer.status_code, answer.json()) == (200, {"kid": following}), answer.text
    fresh = await one.platform.login(person.email)
    assert kid_of(fresh.access_token) == following
    for process in (one, two):  # at once: they knew the key before it signed
        assert await process.status(fresh) == 200
        assert await process.status(person) == 200
        assert await process.published() >= {current, following, await deployment.kid("next")}
        process.let_pass(61)
        assert await process.status(person) == 200
    renewed = await two.client.post(
        "/v1/auth/refresh", json={"refresh_token": person.refresh_token}
    )
    assert (renewed.status_code, kid_of(renewed.json()["access_token"])) == (200, following)
    left = await deployment.sql(
        "SELECT length(private_enc) AS size FROM identity.signing_keys WHERE kid = $1", current
    )
    assert left[0]["size"] == 0  # who signs no more keeps no private half
    told = await deployment.sql(
        "SELECT actor_id, reason, before, after FROM identity.audit_log "
        "WHERE action = 'signing_key.rotate' AND target_id = $1",
        following,
    )
    assert [(row["actor_id"], row["reason"]) for row in told] == [(admin.id, WHY["reason"])]


async def test_another_process_notices_within_half_a_minute(deployment: Deployment) -> None:
    one, two = deployment.one, deployment.two
    admin = await one.platform.admin()
    person = await two.platform.person()
    current, following = await deployment.ready()
    assert kid_of((await two.platform.login(person.email)).access_token) == current
    rotated = await one.client.post(ROTATE, json=WHY, headers=admin.headers)
    assert rotated.status_code == 200, rotated.text
    late = await two.platform.login(person.email)  # its signer has not looked yet
    assert kid_of(late.access_token) == current
    assert await one.status(late) == 200
    two.let_pass(30)
    assert kid_of((await two.platform.login(person.email)).access_token) == following


async def test_who_may_rotate(deployment: Deployment) -> None:
    one = deployment.one
    current, _ = await deployment.ready()
    _tenant, key = await one.platform.tenant()
    reseller = await one.platform.admin(tenant_key=key)
    tired = await one.platform.admin()
    await deployment.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '1 hour' WHERE user_id = $1",
        tired.id,
    )
    renewed = await one.client.post("/v1/auth/refresh", json={"refresh_token": tired.refresh_token})
    stale = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    user = await one.platform.person()
    for headers, code in (
        (user.headers, "forbidden"),
        (reseller.headers, "wrong_credential"),
        (stale, "step_up_required"),
    ):
        answer = await one.client.post(ROTATE, json=WHY, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, code), answer.text
    for headers in (user.headers, reseller.headers):
        assert (await one.client.get("/v1/admin/signing-keys", headers=headers)).status_code == 403
    assert (await one.client.post(ROTATE, json=WHY)).status_code == 401
    fine = await one.platform.admin()
    for body in ({}, {"reason": "x"}, {**WHY, "kid": "mine"}):
        answer = await one.client.post(ROTATE, json=body, headers=fine.headers)
        assert answer.status_code == 422, body
    assert await deployment.kid("current") == current
    listed = await one.client.get("/v1/admin/signing-keys", headers=fine.headers)
    lines = {line["kid"]: line["state"] for line in listed.json()["data"]}
    assert lines[current] == "current"
    assert "private" not in listed.text


async def test_a_withdrawn_key_is_refused_and_clients_renew(deployment: Deployment) -> None:
    one, two = deployment.one, deployment.two
    admin, person = await one.platform.admin(), await one.platform.person()
    await deployment.ready()
    before = await one.published()
    body = {"reason": "a backup was lost", "withdraw_old": True}
    answer = await one.client.post(ROTATE, json=body, headers=admin.headers)
    assert answer.status_code == 200, answer.text
    assert not before & await one.published()
    for process in (one, two):
        process.let_pass(61)
        refused = await process.client.get("/v1/me", headers=person.headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    renewed = await two.client.post(
        "/v1/auth/refresh", json={"refresh_token": person.refresh_token}
    )
    token = renewed.json()["access_token"]
    assert kid_of(token) == answer.json()["kid"]
    for process in (one, two):
        me = await process.client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert me.status_code == 200
    told = await deployment.sql(
        "SELECT actor_id FROM identity.audit_log WHERE action = 'signing_key.withdraw' "
        "AND target_id = $1",
        answer.json()["kid"],
    )
    assert [row["actor_id"] for row in told] == [admin.id]

    # The next key was made a moment ago: a verifier may not have seen it.
    other = await one.platform.admin()
    young = await one.client.post(ROTATE, json=WHY, headers=other.headers)
    assert (young.status_code, young.json()["code"]) == (409, "next_key_too_young")
    assert 0 < int(young.headers["retry-after"]) <= 120


async def test_keys_follow_one_another_by_age(deployment: Deployment) -> None:
    one = deployment.one
    person = await one.platform.person()
    current, following = await deployment.ready()
    one.let_pass(31)
    person = await one.platform.login(person.email)
    assert kid_of(person.access_token) == current
    aged = "UPDATE identity.signing_keys SET activated_at = now() - $2::interval WHERE kid = $1"
    await deployment.sql(aged, current, timedelta(89))
    await deployment.keep()
    assert await deployment.kid("current") == current
    await deployment.sql(aged, current, timedelta(91))
    born = "UPDATE identity.signing_keys SET created_at = now() - $2::interval WHERE kid = $1"
    await deployment.sql(born, following, timedelta())
    await deployment.keep()
    assert await deployment.kid("current") == current  # nobody may know the next one yet
    await deployment.sql(born, following, timedelta(1))
    await deployment.keep()
    assert await deployment.kid("current") == following
    assert await deployment.kid("next") not in (None, following)
    assert await one.status(person) == 200
    told = await deployment.sql(
        "SELECT actor_kind, action, before->>'kid' AS before, reason FROM identity.audit_log "
        "WHERE target_id = $1",
        following,
    )
    line = ("system", "signing_key.rotate", current, "older than 90 days")
    assert [tuple(row) for row in told] == [line]

    await deployment.keep()
    assert current in await one.published()
    gone = "UPDATE identity.signing_keys SET retired_at = now() - $2::interval WHERE kid = $1"
    await deployment.sql(gone, current, timedelta(2))
    await deployment.keep()
    assert current not in await one.published()
    one.let_pass(61)
    assert await one.status(person) == 401


async def test_two_runs_at_once_make_one_key(deployment: Deployment) -> None:
    await deployment.ready()
    await deployment.sql("DELETE FROM identity.signing_keys WHERE state = 'next'")
    await asyncio.gather(*(deployment.keep() for _ in range(4)))
    rows = await deployment.sql(
        "SELECT state, count(*) AS n FROM identity.signing_keys "
        "WHERE state IN ('next', 'current') GROUP BY state"
    )
    assert {row["state"]: row["n"] for row in rows} == {"next": 1, "current": 1}


async def test_the_operator_rotates_from_the_command_line(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flatrender.cli.root import root

    for name, value in {**FAST, **deployment.environment}.items():
        monkeypatch.setenv(name, value)
    _, following = await deployment.ready()
    arguments = ["signing-keys", "rotate", "--reason", "by hand"]
    made = await asyncio.to_thread(CliRunner().invoke, root, arguments)
    assert made.exit_code == 0, made.output
    assert following in made.output
    assert await deployment.kid("current") == following
    listed = await asyncio.to_thread(CliRunner().invoke, root, ["signing-keys", "list"])
    assert f"current  {following}" in listed.output
    told = await deployment.sql(
        "SELECT actor_kind, actor_id, reason FROM identity.audit_log WHERE target_id = $1",
        following,
    )
    assert [tuple(row) for row in told] == [("cli", None, "by hand")]
