"""Snapshots over the HTTP API of the whole product: a cached one, and one never drawn before.

A deployment as ``flatrender up`` makes it; one customer with a copy of each template. The time is
what the customer waits: from the request until the answer has the picture's link. The yardstick
for a machine that does other work as well is ``GET /health/live`` at the same moments.
"""

import secrets
import time
from typing import Any

from tests.bench.stack import heading, table, temporary_folder, verdict_ms

from flatrender.demo.api import Api
from flatrender.local import LocalDeployment
from flatrender.testing.rounds import percentile

CACHED_MS, NEW_MS = 10.0, 200.0
_PASSWORD = "correct-horse-battery-9"  # of a throw-away customer
_PATIENCE = 30.0  # seconds for one snapshot


def run(*, quick: bool) -> None:
    """Measure and print."""
    with temporary_folder() as folder, LocalDeployment(folder / "stack") as deployment:
        api = Api(deployment.base_url)
        try:
            _measure(api, each=4 if quick else 8)
        finally:
            api.close()


def _measure(api: Api, *, each: int) -> None:
    email = f"bench-{secrets.token_hex(4)}@example.com"
    api.post("/v1/auth/register", {"email": email, "password": _PASSWORD, "display_name": "Bench"})
    tokens = api.post("/v1/auth/login", {"identifier": email, "password": _PASSWORD})
    api.authorize(tokens["access_token"])
    heading(f"Snapshots over HTTP, milliseconds ({each} new ones per template, each then cached)")
    new: list[float] = []
    cached: list[float] = []
    live: list[float] = []
    rows: list[list[str]] = []
    for template in api.get("/v1/templates", page_size=50)["data"]:
        detail = api.get(f"/v1/templates/{template['slug']}")
        body = {"project_id": detail["projects"][0]["id"], "name": "bench"}
        saved, _ = api.call("POST", "/v1/saved-projects", body=body)
        scene = saved["scenes"][0]
        # The first one opens the template in the render process: shown apart.
        first = _snapshot(api, saved, scene, 0.05)
        fresh: list[float] = []
        for number in range(each):
            moment = 0.1 + 0.1 * number
            live.append(_timed(api, "GET", "/health/live", None)[0])
            fresh.append(_snapshot(api, saved, scene, moment))
            cached.append(_snapshot(api, saved, scene, moment))
        new += fresh
        rows.append([template["slug"], f"{first:.0f}", f"{percentile(fresh, 50):.0f}"])
    table(["template", "first (opens it)", "new, median"], rows)
    table(
        ["all templates", "median", "p90", "goal"],
        [
            ["new", f"{percentile(new, 50):.0f}", f"{percentile(new, 90):.0f}", f"{NEW_MS:.0f}"],
            [
                "cached",
                f"{percentile(cached, 50):.1f}",
                f"{percentile(cached, 90):.1f}",
                f"{CACHED_MS:.0f}",
            ],
            ["GET /health/live", f"{percentile(live, 50):.1f}", f"{percentile(live, 90):.1f}", ""],
        ],
    )
    print(verdict_ms("new", percentile(new, 50), NEW_MS))
    print(verdict_ms("cached", percentile(cached, 50), CACHED_MS))


def _snapshot(api: Api, saved: dict[str, Any], scene: dict[str, Any], moment: float) -> float:
    """Return the milliseconds until a snapshot has its link."""
    body = {"saved_project_id": saved["id"], "saved_scene_id": scene["id"], "time": moment}
    spent, shot = _timed(api, "POST", "/v1/snapshots", body)
    begun = time.perf_counter()
    while shot["url"] is None:
        if time.perf_counter() - begun > _PATIENCE:
            raise SystemExit("a snapshot was not drawn in time")
        time.sleep(0.01)
        shot = api.get(f"/v1/snapshots/{shot['id']}")
    return spent + (time.perf_counter() - begun) * 1e3


def _timed(api: Api, method: str, path: str, body: Any) -> tuple[float, Any]:
    begun = time.perf_counter()
    answer, _ = api.call(method, path, body=body)
    return (time.perf_counter() - begun) * 1e3, answer
