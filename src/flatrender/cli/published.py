"""What the deployment publishes: OpenAPI, event schemas, the list of contexts."""

import sys
from pathlib import Path

import click
import msgspec


def _write(document: object, output: str) -> None:
    data = msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"
    if output == "-":
        sys.stdout.buffer.write(data)
    else:
        Path(output).write_bytes(data)
        click.echo(f"wrote {output}")


@click.command()
@click.option("-o", "--output", default="-", show_default=True, help="File, or - for stdout.")
def openapi(output: str) -> None:
    """Print the OpenAPI 3.1 document of all installed contexts."""
    from flatrender.app import create_app
    from flatrender.settings import load_settings

    app = create_app(load_settings())
    _write(app.openapi_schema.to_schema(), output)


@click.command(name="events-schema")
@click.option("-o", "--output", default="-", show_default=True, help="File, or - for stdout.")
def events_schema(output: str) -> None:
    """Print the AsyncAPI document of every event."""
    from flatrender.events.published import asyncapi
    from flatrender.plugin import discover

    _write(asyncapi(discover()), output)


@click.command()
def plugins() -> None:
    """List the installed contexts and how they hang together."""
    from flatrender.cli.words import say
    from flatrender.plugin import check_manifests, discover

    installed = discover()
    for name, plugin in installed.items():
        manifest = plugin.manifest
        say(f"{manifest.summary} (schema {manifest.schema})", label=name, indent=14, color="green")
        parts = {
            "offers": [port.__name__ for port in manifest.offers],
            "needs": [port.__name__ for port in manifest.needs],
            "wants": [port.__name__ for port in manifest.wants],
            "emits": [event.event_type for event in manifest.emits],
            "listens to": list(dict.fromkeys(s.event.event_type for s in manifest.subscriptions)),
            "tasks": [task.name for task in manifest.tasks],
        }
        for part, names in parts.items():
            if names:
                say(", ".join(names), label=f"  {part}", indent=14)
    problems = check_manifests(installed)
    for problem in problems:
        click.echo(f"problem: {problem}", err=True)
    if problems:
        raise SystemExit(1)
