"""Faults: what dies, lies or is lost while the platform works.

The short form belongs to the ordinary tests: every fault once, timers run fast. The full form
(``make faults``, which sets ``FLATRENDER_FAULTS=full``) leaves the timers as they are in
production and lets each death come again and again.
"""

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

FULL = os.environ.get("FLATRENDER_FAULTS") == "full"
AGAIN = 5 if FULL else 1

# Customers, films and render processes that stand still: the render tests' own fixtures.
_FIXTURES = Path(__file__).parents[1] / "integration" / "render"


def _module(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_render = _module("render_fixtures", _FIXTURES / "conftest.py")
_farm = _module("farm_fixtures", _FIXTURES / "farm" / "conftest.py")
lot, island, frozen, freezer = _render.lot, _render.island, _render.frozen, _render.freezer


@pytest.fixture(scope="session")
def films() -> Any:
    """Return the function that brings the films to a platform."""
    return _render._films


@pytest.fixture(scope="session")
def farm_of() -> Any:
    """Return the class of farms without workers: claims and reports by hand."""
    return _farm.Farm


@pytest.fixture(scope="session")
def server_environment(server_environment: dict[str, str]) -> dict[str, str]:
    """Return what names the servers, with the timers of production in the full form."""
    return {**server_environment, **({"FLATRENDER_TIME_SCALE": "1"} if FULL else {})}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for ``again`` once, or as often as the full form does."""
    if "again" in metafunc.fixturenames:
        metafunc.parametrize("again", range(AGAIN))
