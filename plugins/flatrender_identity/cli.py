"""``flatrender user`` and ``flatrender signing-keys``: what an operator does with accounts and
with the keys that sign tokens."""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Literal

import click

from flatrender.errors import Invalid
from flatrender.runtime import Runtime
from flatrender.security.passwords import check_policy
from flatrender.security.principal import DEFAULT_TENANT_ID, Role
from flatrender.settings import load_settings


@click.group()
def user() -> None:
    """Make users, find them, grant plans, ban and let in again."""


@user.command()
@click.option("--email", required=True)
@click.option("--password", default=None, help="Visible to others on this machine: prefer stdin.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--name", default="", help="Display name.")
@click.option("--admin", is_flag=True)
@click.option("--moderator", is_flag=True)
def create(  # noqa: PLR0917 - click passes options by name
    email: str, password: str | None, password_stdin: bool, name: str, admin: bool, moderator: bool
) -> None:
    """Make a user. Staff must set up a second factor before they can act."""
    from flatrender_identity.operator import create_user

    secret = sys.stdin.readline().rstrip("\n") if password_stdin else password
    if secret is None:
        secret = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    try:
        check_policy(secret, identifiers=[email])
    except Invalid as error:
        raise click.BadParameter(error.errors[0].message_en, param_hint="password") from None
    role: Role = "admin" if admin else "moderator" if moderator else "user"

    async def run() -> None:
        async with Runtime(load_settings()) as runtime:
            context = runtime.plugins["identity"].context
            made = await create_user(context, email, secret, role=role, display_name=name)
            click.echo(f"{role} {email}: {made}")

    asyncio.run(run())


@user.command(name="list")
@click.option("--search", default=None, help="Beginnings of words in names and addresses.")
@click.option("--role", type=click.Choice(["user", "moderator", "admin"]), default=None)
@click.option("--status", type=click.Choice(["Active", "Banned", "Deactivated"]), default=None)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
def list_command(
    search: str | None,
    role: str | None,
    status: Literal["Active", "Banned", "Deactivated"] | None,
    limit: int,
) -> None:
    """Show people of the default tenant, the newest first."""
    from flatrender_identity.operator import list_users
    from flatrender_identity.queries_people import PeopleFilter

    async def run() -> None:
        async with Runtime(load_settings()) as runtime:
            context = runtime.plugins["identity"].context
            wanted = PeopleFilter(q=search, role=role, status=status)
            for line in await list_users(context, wanted, limit=limit):
                address = line.email or line.mobile or "-"
                until = (
                    f" until {line.banned_until:%Y-%m-%d %H:%M} UTC" if line.banned_until else ""
                )
                click.echo(
                    f"{line.id}  {line.role:9}  {line.status}{until}  {line.plan_code}  {address}"
                )

    asyncio.run(run())


@user.command(name="ban")
@click.argument("email")
@click.option("--reason", required=True, help="The owner reads it; goes into the audit log.")
@click.option("--until", type=click.DateTime(), default=None, help="UTC; without: for good.")
def ban_command(email: str, reason: str, until: datetime | None) -> None:
    """Shut somebody of the default tenant out at once."""
    from flatrender_identity.operator import ban_user

    async def run() -> None:
        async with Runtime(load_settings()) as runtime:
            context = runtime.plugins["identity"].context
            end = until.replace(tzinfo=UTC) if until else None
            await ban_user(context, email, reason=reason, until=end)

    asyncio.run(run())
    click.echo(f"{email} is banned")


@user.command(name="unban")
@click.argument("email")
@click.option("--reason", required=True, help="Goes into the audit log.")
def unban_command(email: str, reason: str) -> None:
    """Let somebody of the default tenant in again."""
    from flatrender_identity.operator import unban_user

    async def run() -> None:
        async with Runtime(load_settings()) as runtime:
            context = runtime.plugins["identity"].context
            await unban_user(context, email, reason=reason)

    asyncio.run(run())
    click.echo(f"{email} is no longer banned")


@user.command(name="grant-plan")
@click.argument("email")
@click.argument("plan")
@click.option("--days", type=click.IntRange(1, 3660), default=None, help="The plan's own period.")
def grant_plan_command(email: str, plan: str, days: int | None) -> None:
    """Put a user on a plan at once."""
    from flatrender_identity.operator import grant_plan

    async def run() -> None:
        async with Runtime(load_settings()) as runtime:
            context = runtime.plugins["identity"].context
            await grant_plan(context, email, plan, days=days, tenant_id=DEFAULT_TENANT_ID)

    asyncio.run(run())
    click.echo(f"{email} is on {plan}")


@click.group(name="signing-keys")
def signing_keys() -> None:
    """Show and change the keys that sign tokens."""


@signing_keys.command(name="list")
def list_keys() -> None:
    """Show the keys, the newest first."""
    from flatrender.http.pages import PageParams
    from flatrender_identity.services.key_rotation import KeyRotation

    async def run() -> None:
        async with Runtime(load_settings()) as runtime:
            rotation = runtime.plugins["identity"].context.get(KeyRotation)
            for key in (await rotation.page(PageParams(page=1, page_size=100))).data:
                since = key.retired_at or key.activated_at or key.created_at
                click.echo(f"{key.state:8} {key.kid} since {since:%Y-%m-%d %H:%M} UTC")

    asyncio.run(run())


@signing_keys.command(name="rotate")
@click.option("--reason", required=True, help="Goes into the audit log.")
@click.option("--withdraw-old", is_flag=True, help="Others may hold the keys: refuse their tokens.")
def rotate_keys(reason: str, withdraw_old: bool) -> None:
    """Let the next key sign from now on; nobody is logged out."""
    from flatrender_identity.services.key_rotation import KeyRotation

    async def run() -> None:
        async with Runtime(load_settings()) as runtime:
            rotation = runtime.plugins["identity"].context.get(KeyRotation)
            kid = await rotation.rotate(None, reason=reason, withdraw=withdraw_old)
            click.echo(f"{kid} signs from now on")

    asyncio.run(run())
