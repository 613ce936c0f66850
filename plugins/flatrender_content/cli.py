"""What an operator does with templates: ``flatrender catalogue``, and part of ``template``."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flatrender.errors import DomainError
from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender.settings import Settings, load_settings

if TYPE_CHECKING:
    from flatrender.plugin import PluginContext


@click.group()
def catalogue() -> None:
    """Install and list the templates that customers pick from."""


@catalogue.command()
@click.option("--only", multiple=True, metavar="SLUG", help="Just this one; may be repeated.")
def install(only: tuple[str, ...]) -> None:
    """Build, import and publish the demo catalogue; what has not changed is left alone."""
    from flatrender_content.catalogue.build import build_all

    settings = load_settings()
    try:
        packages = build_all(Path(settings.core.data_dir, "catalogue"), only)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    asyncio.run(_import_all(settings, packages, publish=True))


@catalogue.command(name="import")
@click.argument("package", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--publish", is_flag=True, help="Offer it to customers at once.")
def import_command(package: Path, publish: bool) -> None:
    """Import a template package into the default tenant's catalogue."""
    asyncio.run(_import_all(load_settings(), [package], publish=publish))


@catalogue.command(name="list")
def list_command() -> None:
    """List the default tenant's templates, drafts included."""
    asyncio.run(_list(load_settings()))


@click.group()
def template() -> None:
    """Pack, check and scan templates and print their format."""


@template.command()
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--mode",
    type=click.Choice(["Fix", "Flexible", "Mockup", "MusicVisualizer"]),
    help="What the template is to be; told by the final comp otherwise.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the scan and the proposal as JSON.")
def scan(source: Path, mode: str | None, as_json: bool) -> None:
    """Read an After Effects project (.aep) or bundle (.zip): what a template would be made of it.

    Ends with 1 when the file cannot be read or its names cannot be understood.
    """
    from flatrender_content.aep.show import show

    raise SystemExit(show(source, mode, as_json=as_json))


@template.command()
@click.option("--dry-run", is_flag=True, help="Only say what is unused, and since when.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=1, max=3650),
    default=14.0,
    show_default=True,
    metavar="DAYS",
    help="Remove what nothing has referred to for so long.",
)
def gc(dry_run: bool, older_than: float) -> None:
    """Remove packages and previews of templates that nobody needs any more.

    Workers do this every six hours by themselves.
    """
    asyncio.run(_gc(load_settings(), timedelta(days=older_than), dry_run=dry_run))


async def _gc(settings: Settings, grace: timedelta, *, dry_run: bool) -> None:
    from flatrender.runtime import Runtime
    from flatrender_content.services.unused import UnusedService

    async with Runtime(settings) as runtime:
        context: PluginContext = runtime.plugins["content"].context
        service = context.get(UnusedService)
        if dry_run:
            found = await service.find()
            for one in found:
                since = f"since {one.since:%Y-%m-%d %H:%M}" if one.since else "first seen now"
                old = one.since is not None and one.since <= context.clock.now() - grace
                click.echo(f"{one.key}  unused {since}{', would go' if old else ''}")
            click.echo(f"{len(found):,} unused; nothing was removed")
            return
        unused = await service.look()
        gone = await service.sweep(grace=grace)
    for key in gone:
        click.echo(f"{key}  removed")
    click.echo(f"{len(gone):,} of {unused:,} unused removed")


async def _import_all(settings: Settings, packages: list[Path], *, publish: bool) -> None:
    from flatrender.runtime import Runtime
    from flatrender_content.services.importer import ImportService

    async with Runtime(settings) as runtime:
        context: PluginContext = runtime.plugins["content"].context
        await runtime.infra.storage.ensure_bucket()
        imports = context.get(ImportService)
        for package in packages:
            begun = time.monotonic()
            try:
                done = await imports.import_file(DEFAULT_TENANT_ID, package, publish=publish)
            except DomainError as refused:
                for error in refused.errors:
                    click.echo(f"{error.pointer}: {error.code}: {error.message_en}", err=True)
                raise click.ClickException(f"{package.name}: {refused}") from refused
            state = "published" if done.published else "draft"
            seconds = time.monotonic() - begun
            click.echo(f"{done.slug} {done.version}: {done.outcome}, {state} ({seconds:.1f} s)")
            for warning in done.warnings:
                click.echo(f"  warning: {warning.pointer}: {warning.message_en}")


async def _list(settings: Settings) -> None:
    from flatrender.runtime import Runtime

    async with Runtime(settings) as runtime:
        context: PluginContext = runtime.plugins["content"].context
        after = ""
        while rows := await context.db.reads.records(
            DEFAULT_TENANT_ID,
            "SELECT slug, package_version, mode, aspects, published_at IS NOT NULL "
            "FROM content.project_containers WHERE tenant_id = $1 AND deleted_at IS NULL "
            "AND slug > $2 ORDER BY slug LIMIT 500",
            DEFAULT_TENANT_ID,
            after,
        ):
            for slug, version, mode, aspects, published in rows:
                state = "published" if published else "draft"
                click.echo(f"{slug:32} {version:10} {mode:16} {','.join(aspects):16} {state}")
            after = rows[-1][0]
