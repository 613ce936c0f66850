"""``migrate``: bring the schema up to date, or say how it stands."""

import asyncio

import click

from flatrender.db import migrations
from flatrender.plugin import discover, migration_directories
from flatrender.settings import Settings, load_settings


def migrator(settings: Settings) -> dict[str, object]:
    """Return asyncpg arguments of the role that owns the schema."""
    database = settings.database
    return {
        "host": database.host,
        "port": database.port,
        "database": database.name,
        "user": database.migrator_user,
        "password": database.migrator_password or None,
        "timeout": database.connect_timeout,
        "ssl": database.ssl,
    }


def context_passwords(settings: Settings) -> dict[str, str]:
    """Return every installed context's database password, where one is set."""
    found = {name: settings.database.password_of(name) for name in discover()}
    return {name: password for name, password in found.items() if password}


@click.command()
@click.option("--status", "show", is_flag=True, help="List every migration and its state.")
@click.option("--check", is_flag=True, help="Exit 1 when something is pending or edited.")
def migrate(show: bool, check: bool) -> None:
    """Apply pending migrations and make partitions ahead."""
    settings = load_settings()
    connect = migrator(settings)
    if show or check:
        lines = asyncio.run(migrations.status(connect, directories=migration_directories()))
        if show:
            for line in lines:
                click.echo(f"{line.number:02d}  {line.state:8}  {line.name:36} {line.applied_at}")
        waiting = [line for line in lines if line.state != "applied"]
        if check and waiting:
            names = ", ".join(f"{line.name} ({line.state})" for line in waiting)
            raise click.ClickException(f"not up to date: {names}")
        return
    applied = asyncio.run(
        migrations.migrate(
            connect, directories=migration_directories(), passwords=context_passwords(settings)
        )
    )
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("up to date")
