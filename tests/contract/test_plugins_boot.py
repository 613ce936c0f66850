"""Every context serves alone: its needs are met by neighbours in ports-only mode."""

from dataclasses import replace
from pathlib import Path

import pytest

from flatrender.app import create_app
from flatrender.contracts.files import PersonStorage
from flatrender.plugin import PluginError, discover
from flatrender.runtime import Runtime
from flatrender.settings import load_settings
from flatrender.testing.platform import FAST, run_platform

CONTEXTS = ("identity", "content", "studio", "render", "files", "notification")


def test_every_context_is_installed() -> None:
    assert set(CONTEXTS) <= set(discover())


@pytest.mark.parametrize("name", CONTEXTS)
async def test_a_context_boots_alone(server_environment: dict[str, str], name: str) -> None:
    changes = {"FLATRENDER_VALKEY_PREFIX": f"alone-{name}"}
    async with run_platform(
        {**server_environment, **changes}, worker=False, FLATRENDER_PLUGINS=name
    ) as platform:
        assert list(platform.runtime.active) == [name]
        ready = await platform.client.get("/health/ready")
        assert ready.status_code == 200, ready.text
        # Only its own paths are served; neighbours answer in-process and not over HTTP.
        own = {
            tag
            for handler in platform.app.routes
            for h in getattr(handler, "route_handlers", ())
            for tag in [h.opt.get("context")]
            if tag
        }
        assert own == {name}
        for neighbour, plugin in platform.runtime.plugins.items():
            assert plugin.context.ports_only is (neighbour != name)


async def test_what_a_context_only_wants_may_be_missing(
    server_environment: dict[str, str],
) -> None:
    installed = discover()
    files = installed["files"].manifest

    class Other(installed["files"]):  # type: ignore[name-defined, misc]
        """Somebody else's files, which count nothing for others."""

        manifest = replace(files, offers=tuple(p for p in files.offers if p is not PersonStorage))

    parts = {"projects", "jobs", "storage"}
    # Served alone, identity has its neighbours come for their ports.
    for name, plugins, known in (
        ("all", installed, parts),
        ("other", {**installed, "files": Other}, parts - {"storage"}),
    ):
        changes = {"FLATRENDER_VALKEY_PREFIX": f"wants-{name}"}
        async with run_platform(
            {**server_environment, **changes},
            worker=False,
            plugins=plugins,
            FLATRENDER_PLUGINS="identity",
        ) as platform:
            admin = await platform.admin()
            seen = await platform.client.get(f"/v1/users/{admin.id}", headers=admin.headers)
            assert seen.status_code == 200, seen.text
            work = seen.json()["work"]
            assert set(work) == parts
            assert {part for part, told in work.items() if told is not None} == known


def test_an_unknown_context_is_refused(server_environment: dict[str, str]) -> None:
    settings = load_settings({**FAST, **server_environment, "FLATRENDER_PLUGINS": "studio,moon"})
    with pytest.raises(PluginError, match="no context is named 'moon'"):
        Runtime(settings)


def test_a_need_that_nobody_meets_is_refused(server_environment: dict[str, str]) -> None:
    installed = {name: plugin for name, plugin in discover().items() if name != "content"}
    settings = load_settings({**FAST, **server_environment})
    with pytest.raises(PluginError, match="studio: needs TemplateCatalogue"):
        create_app(settings, runtime=Runtime(settings, plugins=installed))


def test_no_plugin_folder_is_forgotten() -> None:
    folders = {p.name for p in Path(__file__).parents[2].glob("plugins/flatrender_*") if p.is_dir()}
    assert folders == {f"flatrender_{name}" for name in CONTEXTS}
