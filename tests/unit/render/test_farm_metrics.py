"""The dashboard asks for metrics that exist, with labels they have."""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from flatrender.observability.metrics import REGISTRY

DASHBOARDS = sorted((Path(__file__).parents[3] / "config" / "grafana").glob("*.json"))
MODULES = ("farm.claims", "farm.failures", "farm.conduct", "farm.gauges")


def _metrics() -> dict[str, set[str]]:
    """Return the names that a scrape shows, with the labels of each."""
    for name in MODULES:
        import_module(f"flatrender_render.{name}")
    found: dict[str, set[str]] = {}
    for collector, names in REGISTRY._collector_to_names.items():
        labels = set(getattr(collector, "_labelnames", ()))
        for name in names:
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return found


def _targets() -> list[Any]:
    return [
        pytest.param(target["expr"], id=f"{path.stem}: {panel['title']} {target['refId']}")
        for path in DASHBOARDS
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
    ]


def test_there_is_a_dashboard() -> None:
    assert DASHBOARDS
    assert len(_targets()) > 5


@pytest.mark.parametrize("expr", _targets())
def test_every_metric_of_the_dashboard_exists(expr: str) -> None:
    metrics = _metrics()
    used = re.findall(r"flatrender_\w+", expr)
    assert used
    assert set(used) <= metrics.keys()
    labels = {
        label.strip() for group in re.findall(r"by \(([^)]*)\)", expr) for label in group.split(",")
    } - {"instance"}  # Prometheus adds it
    assert labels <= set().union(*(metrics[name] for name in used))
