"""A machine without After Effects neither offers it nor takes its work."""

from typing import Any

import pytest

from flatrender.testing.platform import Platform
from flatrender_render.engines import available_engines, engines
from flatrender_render.farm import runner as runners
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.runner import Runner


async def test_no_work_is_claimed_for_what_is_not_here(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "aerender" in engines()
    assert "aerender" not in available_engines()
    asked: list[str] = []

    class Link:
        def __init__(self, *_: Any) -> None:
            pass

        async def claim_many(self, engine: str, _most: int) -> list[Claim]:
            asked.append(engine)
            return []

    monkeypatch.setattr(runners, "LocalLink", Link)
    runner = platform.runtime.plugins["render"].context.get(Runner)
    monkeypatch.setattr(runner, "_slots", {})  # those of work that was done before
    await runner.work("aerender")
    await runner.work("lottie")
    assert asked == ["lottie"]
