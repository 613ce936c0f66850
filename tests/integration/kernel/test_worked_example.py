"""The plugin of docs/plugins.md: found by its entry point, migrated, served, apart by tenant."""

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
    async with run_platform(environment, worker=False) as running:
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
