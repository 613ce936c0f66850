"""A manifest that does not hold is refused with every reason."""

from importlib.metadata import EntryPoint
from typing import Any, ClassVar, Protocol

import pytest

from flatrender import plugin as module
from flatrender.events.envelope import Event
from flatrender.events.subscriptions import Subscription
from flatrender.plugin import (
    FlatRenderPlugin,
    Manifest,
    PluginContext,
    PluginError,
    check_manifests,
    discover,
    needed_contexts,
)
from flatrender.tasks.task import Schedule, Task


class Port(Protocol):
    """A port."""


class Other(Protocol):
    """Another port."""


class Third(Protocol):
    """A third port."""


class Told(Event, frozen=True, kw_only=True):
    event_type: ClassVar[str] = "alpha.thing.told.v1"


class Untyped(Event, frozen=True, kw_only=True):
    event_type: ClassVar[str] = "Told"


async def _handle(*_: Any) -> None: ...


TASK = Task(name="alpha.work", queue="default", handler=_handle)


def _plugin(name: str, **changes: Any) -> type[FlatRenderPlugin]:
    manifest = Manifest(**{"name": name, "schema": name, "summary": name, **changes})
    return type(name.title(), (FlatRenderPlugin,), {"manifest": manifest})


def _problems(*plugins: type[FlatRenderPlugin]) -> list[str]:
    return check_manifests({p.__name__.lower(): p for p in plugins})


def test_manifests_that_hold() -> None:
    alpha = _plugin(
        "alpha", offers=(Port,), emits=(Told,), tasks=(TASK,),
        schedules=(Schedule(task=TASK, every=1),),
    )  # fmt: skip
    beta = _plugin(
        "beta", needs=(Port,), subscriptions=(Subscription(event=Told, handler=_handle),)
    )
    assert _problems(alpha, beta) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "other"}, "alpha: its manifest calls itself 'other'"),
        ({"schema": "No Good"}, "alpha: name and schema are lower case letters and underscores"),
        ({"needs": (Other,)}, "alpha: needs Other, which no installed context offers"),
        (
            {"tasks": (Task(name="beta.x", queue="default", handler=_handle),)},
            "alpha: task 'beta.x' is not named alpha.*",
        ),
        (
            {"schedules": (Schedule(task=TASK, every=1),)},
            "alpha: schedule of 'alpha.work', which is no task",
        ),
        ({"emits": (Untyped,)}, "alpha: Untyped has no event_type name.verb.v1"),
        (
            {"subscriptions": (Subscription(event=Told, handler=_handle),)},
            "alpha: nobody emits alpha.thing.told.v1",
        ),
        ({"tasks": (TASK, TASK)}, "alpha: task 'alpha.work' is alpha's"),
        (
            {
                "emits": (Told,),
                "subscriptions": (Subscription(event=Told, handler=_handle),) * 2,
            },
            "alpha: subscription 'alpha:alpha.thing.told.v1:_handle' is alpha's",
        ),
    ],
)
def test_each_problem_is_named(changes: dict[str, Any], problem: str) -> None:
    alpha = _plugin("alpha")
    alpha.manifest = Manifest(**{"name": "alpha", "schema": "alpha", "summary": "", **changes})
    assert _problems(alpha) == [problem]


def test_two_contexts_may_not_claim_the_same() -> None:
    alpha = _plugin("alpha", offers=(Port,), tasks=(TASK,))
    beta = _plugin("beta", schema="alpha", offers=(Port,))
    assert _problems(alpha, beta) == [
        "beta: schema 'alpha' is alpha's",
        "beta: alpha offers Port too",
    ]


def test_all_problems_come_at_once() -> None:
    alpha = _plugin("alpha", needs=(Other,), emits=(Untyped,))
    beta = _plugin("beta", needs=(Port,))
    assert len(_problems(alpha, beta)) == 3


def test_an_event_of_nobody_is_fine_when_not_strict() -> None:
    loose = Subscription(event=Told, handler=_handle, strict=False)
    assert _problems(_plugin("alpha", subscriptions=(loose,))) == []


def test_neighbours_of_neighbours_are_needed_too() -> None:
    plugins = {
        "alpha": _plugin("alpha", needs=(Port,)),
        "beta": _plugin("beta", offers=(Port,), needs=(Other,)),
        "gamma": _plugin("gamma", offers=(Other,)),
        "delta": _plugin("delta"),
    }
    assert needed_contexts(["alpha"], plugins) == ["beta", "gamma"]
    assert needed_contexts(["delta"], plugins, also=(Other,)) == ["gamma"]


def test_what_a_served_context_wants_is_there_where_it_is_installed() -> None:
    alpha = _plugin("alpha", wants=(Port,))
    beta = _plugin("beta", offers=(Port,), needs=(Other,))
    gamma = _plugin("gamma", offers=(Other,))
    delta = _plugin("delta", needs=(Third,))
    epsilon = _plugin("epsilon", offers=(Third,), wants=(Port,))
    every = {p.__name__.lower(): p for p in (alpha, beta, gamma, delta, epsilon)}
    assert needed_contexts(["alpha"], every) == ["beta", "gamma"]
    assert needed_contexts(["delta"], every) == ["epsilon"]  # nobody here asks it for more
    assert needed_contexts(["alpha"], {"alpha": alpha}) == []
    assert _problems(alpha) == []


def test_a_port_is_wanted_by_name_and_may_be_missing() -> None:
    context = PluginContext(
        name="alpha", db=Any, infra=Any, port_table={}, needs=(Port,), wants=(Other,)
    )  # type: ignore[arg-type]
    assert context.wanted(Other) is None
    with pytest.raises(LookupError, match="Port under wants"):
        context.wanted(Port)


def test_discovery_names_every_bad_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("gone", "no_such_module:Plugin", module.GROUP),
        EntryPoint("wrong", "pathlib:Path", module.GROUP),
        EntryPoint("lab", "flatrender.testing.lab:LabPlugin", module.GROUP),
        EntryPoint("lab", "flatrender.testing.lab:LabPlugin", module.GROUP),
    ]
    monkeypatch.setattr(module, "entry_points", lambda group: points)
    with pytest.raises(PluginError) as refused:
        discover()
    assert [p.split(":")[0] for p in refused.value.problems] == ["gone", "lab", "wrong"]
    assert "registered twice" in refused.value.problems[1]
    assert "is not a FlatRenderPlugin" in refused.value.problems[2]
