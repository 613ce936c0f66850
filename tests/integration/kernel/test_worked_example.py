"""The plugin of docs/plugins.md: found by its entry point, migrated, served, apart by tenant."""

import re
import tomllib
from collections.abc import AsyncIterator, Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from flatrender import plugin as module
from flatrender.cli.schema import migrate
from flatrender.testing.platform import Platform, run_platform
from flatrender.testing.plugin import TestDatabase

EXAMPLE = Path(__file__).parents[2] / "data" / "acme_hello"
GUIDE = Path(__file__).parents[3] / "docs" / "plugins.md"


def test_the_guide_quotes_the_example_as_it_is() -> None:
    quoted = dict(re.findall(r"```\w+ title=(\S+)\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL))
    files = [p for p in EXAMPLE.rglob("*") if p.suffix in (".py", ".sql", ".toml")]
    assert quoted == {p.relative_to(EXAMPLE).as_posix(): p.read_text("utf-8") for p in files}


@pytest.fixture
async def hello(
    server_environment: dict[str, str],
    clone_database: Callable[[], TestDatabase],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Platform]:
    """The platform with the example installed as pip would: on the path, with its entry point."""
    import asyncio

    declared = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())
    points = [
        EntryPoint(name, value, module.GROUP)
        for name, value in declared["project"]["entry-points"][module.GROUP].items()
    ]
    installed = list(entry_points(group=module.GROUP))
    monkeypatch.syspath_prepend(str(EXAMPLE / "src"))
    monkeypatch.setattr(module, "entry_points", lambda group: [*installed, *points])
    environment = {
        **server_environment,
        "FLATRENDER_DATABASE_NAME": clone_database().name,
        "FLATRENDER_VALKEY_PREFIX": f"{server_environment['FLATRENDER_VALKEY_PREFIX']}-hello",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = await asyncio.to_thread(CliRunner().invoke, migrate, [])
    assert done.exit_code == 0, done.output
    assert "applied 100_acme_hello" in done.output
    async with run_platform(environment) as running:
        yield running


async def test_the_example_works(hello: Platform) -> None:
    greeting: Any = await hello.client.get("/v1/hello")
    assert greeting.json() == {"text": "سلام"}
    assert (await hello.client.post("/v1/hello")).status_code == 401
    _, key = await hello.tenant()
    here, there = await hello.person(), await hello.person(tenant_key=key)
    for person, count in ((here, 1), (here, 2), (there, 1)):
        answer = await hello.client.post("/v1/hello", headers=person.headers)
        assert answer.json() == {"greetings": count}


async def test_events_come_in_and_go_out_and_tasks_follow(hello: Platform) -> None:
    person = await hello.person()
    await hello.client.post("/v1/hello", headers=person.headers)

    async def finished() -> bool:
        rows = await hello.sql(
            "SELECT occasion, email FROM acme_hello.greetings WHERE user_id = $1", person.id
        )
        return {tuple(row) for row in rows} == {("welcome", None), ("asked", person.email)}

    await hello.until(finished)
    told = await hello.sql("SELECT name FROM acme_hello.outbox WHERE kind = 'event'")
    assert [row["name"] for row in told] == ["acme_hello.greeting.given.v1"]
