"""Faults: what dies, lies or is lost while the platform works.

The short form belongs to the ordinary tests: every fault once, timers run fast. The full form
(``make faults``, which sets ``FLATRENDER_FAULTS=full``) leaves the timers as they are in
production and lets each death come again and again.
"""

import hashlib
import importlib.util
import os
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

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
_nodes = _module("node_fixtures", _FIXTURES / "nodes" / "conftest.py")
lot, island, frozen, freezer = _render.lot, _render.island, _render.frozen, _render.freezer
farm = _nodes.farm


@pytest.fixture(scope="session")
def films() -> Any:
    """Return the function that brings the films to a platform."""
    return _render._films


LEFT_OPEN = """
SELECT (SELECT count(*) FROM render.frame_jobs WHERE job_id = $1 AND state <> 'Done')
     + (SELECT count(*) FROM render.frame_jobs WHERE job_id = $1 AND lease_until IS NOT NULL)
     + (SELECT count(*) FROM render.frame_attempts WHERE job_id = $1 AND outcome = 'Running')
     + (SELECT count(*) FROM render.frame_repair_jobs WHERE job_id = $1
        AND state IN ('Waiting', 'Running'))
     + (SELECT count(*) FROM render.frame_jobs f WHERE f.job_id = $1 AND f.epoch <>
        (SELECT count(*) FROM render.frame_attempts a WHERE a.frame_job_id = f.id)) AS n
"""


async def _bytes_of(customer: Any, job_id: str) -> str:
    """Return the digest of a job's one export, read from the store."""
    (export,) = await customer.platform.sql(
        "SELECT object_key, sha256 FROM render.exports WHERE job_id = $1", UUID(job_id)
    )
    data = await customer.platform.runtime.infra.storage.get(export["object_key"])
    digest = hashlib.sha256(data).hexdigest()
    assert digest == export["sha256"]
    return digest


async def _check(customer: Any, job_id: str) -> None:
    """Ask what is asked after every fault, then make the same video undisturbed and compare."""
    assert (await customer.ended(job_id))["step"] == "Done"
    settled = await customer.reservation(job_id, "Settled")
    assert settled["released_minor"] == 0
    (left,) = await customer.platform.sql(LEFT_OPEN, UUID(job_id))
    assert left["n"] == 0
    again = await customer.submit("540p")
    assert (await customer.ended(again["id"]))["step"] == "Done"
    await customer.reservation(again["id"], "Settled")
    assert await _bytes_of(customer, again["id"]) == await _bytes_of(customer, job_id)


async def _rich(lot: Any) -> Any:
    """Return a customer who can pay for two videos of two ranges each."""
    customer = await lot.customer("long", plan="plus")
    await customer.give_charge(1_000_000)
    return customer


@pytest.fixture(scope="session")
def check() -> Any:
    """Return what is asked after every fault."""
    return _check


@pytest.fixture(scope="session")
def rich() -> Any:
    """Return the function that finds a customer who can pay for the videos of a fault."""
    return _rich


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tally of the full form: each test of a fault, then the faults of the histories."""
    if not FULL:
        return
    tests: dict[str, Counter[str]] = {}
    faults: dict[str, Counter[str]] = {}
    histories = 0
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.getreports(outcome):
            if not report.nodeid.startswith("tests/faults/"):
                continue
            name = report.nodeid.rpartition("::")[2].partition("[")[0].removeprefix("test_")
            row = tests.setdefault(name.replace("_", " "), Counter())
            row.update({"times": 1, outcome: 1, "seconds": round(report.duration)})
            told = dict(report.user_properties)
            histories += told.get("histories", 0)
            for fault, counts in told.get("faults", {}).items():
                _add(faults.setdefault(fault, Counter()), counts)
    write = terminalreporter.write_line
    terminalreporter.section("tally")
    write(f"{'':84}{'times':>6}{'failed':>8}{'skipped':>9}{'s':>7}")
    for name, row in sorted(tests.items()):
        bad = row["failed"] + row["error"]
        write(f"{name[:83]:84}{row['times']:6}{bad:8}{row['skipped']:9}{row['seconds']:7}")
    if faults:
        write(f"\n{histories} seeded histories")
        write(f"{'fault':24}{'times':>8}{'histories':>11}{'wrong':>7}{'longest recovery, s':>21}")
        for fault, row in sorted(faults.items()):
            write(
                f"{fault:24}{row['times']:8}{row['histories']:11}{row['wrong']:7}{row['longest']:21}"
            )


def _add(row: "Counter[str]", more: dict[str, int]) -> None:
    longest = max(row["longest"], more["longest"])
    row.update(more)
    row["longest"] = longest
