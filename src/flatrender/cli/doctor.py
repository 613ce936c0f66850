"""``doctor``: checks a deployment and says what is wrong and what to do."""

import asyncio

import click


@click.command()
def doctor() -> None:
    """Check this machine and the configured servers."""
    from rich.console import Console

    from flatrender.doctor import examine
    from flatrender.settings import load_settings

    console = Console()
    findings = asyncio.run(examine(load_settings()))
    marks = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]"}
    for finding in findings:
        console.print(f"{marks[finding.level]:20} {finding.what}")
        if finding.fix and finding.level != "ok":
            console.print(f"        -> {finding.fix}")
    if any(finding.level == "error" for finding in findings):
        raise SystemExit(1)
