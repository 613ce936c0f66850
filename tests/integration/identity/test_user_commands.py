"""``flatrender user``: what an operator does from the command line, and that it is written down."""

import asyncio
import secrets
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flatrender.testing.platform import FAST, PASSWORD, Platform


@pytest.fixture
def flatrender(
    platform: Platform, server_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Any:
    from flatrender.cli.root import root

    for name, value in {**FAST, **server_environment}.items():
        monkeypatch.setenv(name, value)

    async def run(*arguments: str, stdin: str = "") -> Result:
        return await asyncio.to_thread(CliRunner().invoke, root, ["user", *arguments], input=stdin)

    return run


async def test_an_administrator_is_made_and_needs_a_second_factor(
    platform: Platform, flatrender: Any
) -> None:
    email = f"boss-{secrets.token_hex(6)}@example.com"
    made = await flatrender(
        "create", "--email", email.upper(), "--admin", "--password-stdin", stdin=PASSWORD + "\n"
    )
    assert made.exit_code == 0, made.output
    assert PASSWORD not in made.output
    person = await platform.login(email)
    me = await platform.client.get("/v1/me", headers=person.headers)
    assert (me.json()["role"], me.json()["email_verified"]) == ("admin", True)
    acting = await platform.client.get("/v1/me/limits", headers=person.headers)
    assert (acting.status_code, acting.json()["code"]) == (403, "mfa_required")
    rows = await platform.sql(
        "SELECT actor_kind, action, after FROM identity.audit_log WHERE target_id = $1",
        str(person.id),
    )
    assert [(row["actor_kind"], row["action"]) for row in rows] == [("cli", "user.create")]
    again = await flatrender("create", "--email", email, "--password", PASSWORD)
    assert again.exit_code != 0
    assert "address_taken" in f"{again.output} {again.exception}"


async def test_a_weak_password_is_refused_with_a_reason(flatrender: Any) -> None:
    refused = await flatrender("create", "--email", "weak@example.com", "--password", "short")
    assert refused.exit_code == 2
    assert "12 characters" in refused.output


async def test_a_plan_is_granted_and_written_down(platform: Platform, flatrender: Any) -> None:
    person = await platform.person()
    granted = await flatrender("grant-plan", person.email, "plus", "--days", "7")
    assert granted.exit_code == 0, granted.output
    me = (await platform.client.get("/v1/me", headers=person.headers)).json()
    assert me["plan_code"] == "plus"
    rows = await platform.sql(
        "SELECT actor_kind, action, before, after->>'plan' AS plan, reason FROM identity.audit_log "
        "WHERE target_id = $1",
        str(person.id),
    )
    told = ("cli", "plan.grant", None, "plus", "granted by the operator")
    assert [tuple(row) for row in rows] == [told]
    assert (await flatrender("grant-plan", person.email, "plus")).exit_code == 0
    rows = await platform.sql(
        "SELECT before->>'plan' AS plan FROM identity.audit_log WHERE target_id = $1 "
        "ORDER BY created_at DESC LIMIT 1",
        str(person.id),
    )
    assert rows[0]["plan"] == "plus"
    for arguments, code in (
        ((person.email, "gold"), "unknown_plan"),
        (("nobody@example.com", "plus"), "unknown_user"),
    ):
        refused = await flatrender("grant-plan", *arguments)
        assert refused.exit_code != 0
        assert code in f"{refused.output} {refused.exception}"


async def test_people_are_found_banned_and_let_in_again(
    platform: Platform, flatrender: Any
) -> None:
    person = await platform.person()
    found = await flatrender("list", "--search", person.email, "--role", "user")
    assert found.exit_code == 0, found.output
    (line,) = (line for line in found.output.splitlines() if person.email in line)
    assert line.startswith(str(person.id))
    assert "Active" in line
    banned = await flatrender("ban", person.email, "--reason", "spam", "--until", "2035-01-01")
    assert banned.exit_code == 0, banned.output
    gone = await platform.client.get("/v1/me", headers=person.headers)
    assert (gone.status_code, gone.json()["code"]) == (401, "session_ended")
    listed = await flatrender("list", "--status", "Banned", "--search", person.email)
    assert "until 2035-01-01 00:00 UTC" in listed.output
    back = await flatrender("unban", person.email, "--reason", "it was not them")
    assert back.exit_code == 0, back.output
    await platform.login(person.email)
    rows = await platform.sql(
        "SELECT actor_kind, action, reason FROM identity.audit_log WHERE target_id = $1 "
        "ORDER BY created_at",
        str(person.id),
    )
    assert [tuple(row) for row in rows] == [
        ("cli", "user.ban", "spam"),
        ("cli", "user.unban", "it was not them"),
    ]
    for arguments, code in (
        (("unban", person.email, "--reason", "again"), "not_banned"),
        (("ban", "nobody@example.com", "--reason", "who"), "unknown_user"),
        (("ban", person.email, "--reason", "late", "--until", "2001-01-01"), "validation_failed"),
    ):
        refused = await flatrender(*arguments)
        assert refused.exit_code != 0
        assert code in f"{refused.output} {refused.exception}"
