"""Every context serves alone: its needs are met by neighbours in ports-only mode."""

from pathlib import Path

import pytest

from flatrender.app import create_app
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
