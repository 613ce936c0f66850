"""``doctor``: checks a deployment and says what is wrong and what to do."""

import asyncio

import click


@click.command()
def doctor() -> None:
    """Check this machine and the configured servers."""
    from flatrender.cli.words import say
    from flatrender.doctor import examine
    from flatrender.settings import load_settings

    colors = {"ok": "green", "warning": "yellow", "error": "red"}
    findings = asyncio.run(examine(load_settings()))
    for finding in findings:
        say(finding.what, label=finding.level, indent=9, color=colors[finding.level])
        if finding.fix and finding.level != "ok":
            say(finding.fix, label="      ->", indent=9)
    if any(finding.level == "error" for finding in findings):
        raise SystemExit(1)
