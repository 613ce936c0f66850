"""The farm in simulated time, on a real database."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner

from flatrender.testing.plugin import TestDatabase
from flatrender_render.simulation.cli import report, simulate
from flatrender_render.simulation.load import FarmInUse
from flatrender_render.simulation.plan import Chance, Plan
from flatrender_render.simulation.run import run_simulation
from flatrender_render.simulation.tally import Tally

Clone = Callable[[], TestDatabase]


async def test_a_farm_that_breaks_all_the_time_does_everything_once(
    clone_database: Clone,
) -> None:
    """Nodes die or are cut off every few minutes; nothing is lost, doubled or left behind."""
    plan = Plan(
        nodes=40,
        frame_jobs=600,
        tenants=6,
        failures_per_hour=30,
        away_seconds=60,
        partitions=0.5,
        piece_failures=0.02,
        seed=7,
    )
    url = clone_database().dsn()
    tally, faults = await run_simulation(plan, url)
    assert faults == dict.fromkeys(faults, 0)
    assert tally.done >= plan.frame_jobs
    assert tally.node_failures > 3
    assert tally.reaped > 5
    assert tally.stale > 1
    assert tally.failures > 3
    assert 0 < tally.wasted < 0.5
    assert tally.utilisation < 0.97, "so many failures must be seen in it"
    with pytest.raises(FarmInUse):
        await run_simulation(plan, url)


async def test_one_percent_of_node_failures_an_hour_leaves_the_farm_busy(
    clone_database: Clone,
) -> None:
    plan = Plan(nodes=1_000, frame_jobs=20_000, tenants=20, failures_per_hour=0.01)
    tally, faults = await run_simulation(plan, clone_database().dsn())
    assert faults == dict.fromkeys(faults, 0)
    assert tally.utilisation >= 0.95
    assert sum(count for _, count, *_ in tally.waits()) == plan.frame_jobs


def test_a_seed_gives_one_load() -> None:
    plan = Plan(frame_jobs=500, tenants=7, arrivals=60)
    assert Chance(plan).orders() == Chance(plan).orders()
    orders = Chance(plan).orders()
    assert sum(order.pieces for order in orders) == 500
    assert {order.tenant for order in orders} == set(range(7))
    other = Chance(Plan(frame_jobs=500, tenants=7, arrivals=60, seed=2)).orders()
    assert [o.pieces for o in other] != [o.pieces for o in orders]


def test_only_time_that_became_results_is_utilisation() -> None:
    tally = Tally(1)
    tally.piece(10.0, 10.0)
    tally.ran_dry(20.0, backlog=True)
    tally.piece(15.0, 30.0)  # 5 of its 15 s before the farm ran dry
    tally.capacity_seconds = 20.0
    assert tally.utilisation == 15.0 / 20.0
    tally.wasted_seconds = 25.0
    assert tally.wasted == 0.5
    tally.waited(0, 3.0)
    assert any("tenant 1" in line for line in report(Plan(), tally))


def test_the_command_prints_what_it_found(clone_database: Clone) -> None:
    asked = ["--nodes", "20", "--frame-jobs", "60", "--tenants", "2", "--seed", "3"]
    answer = CliRunner().invoke(simulate, [*asked, "--database-url", clone_database().dsn()])
    assert answer.exit_code == 0, answer.output
    for words in ("utilisation", "60 of 60", "tenant 2", "frame jobs done twice"):
        assert words in answer.output
