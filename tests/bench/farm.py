"""What the farm costs beside rendering, over the whole product as ``flatrender up`` runs it.

A customer's video of about a minute, at 1080p, on an idle machine. Two figures:

- **Overhead**: processor time of everything that is not drawing, converting, encoding or moving
  bytes (API, database, Valkey, the workers' event loop, proof, sound, joining), as a share of all.
  What render processes spend on frames is what the farm stores of every piece; what the store
  itself spends is counted as moving bytes, as are uploads and downloads.
- **First frame**: from the submit (the job's own row) until its first frame is encoded: queue,
  wake-up, claim, package, opening of the scene.
"""

import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench.stack import (
    heading,
    processes_below,
    processor_seconds,
    table,
    temporary_folder,
    verdict_ms,
)

from flatrender.demo.api import Api, ApiError
from flatrender.demo.watch import follow
from flatrender.local import LocalDeployment
from flatrender.testing.rounds import percentile

OVERHEAD, FIRST_MS = 0.03, 300.0
_TEMPLATE = "persian-promo"
_PASSWORD = "correct-horse-battery-9"  # of a throw-away customer
_LENGTH = 60.0  # seconds
_KINDS = {"engines.worker": "render processes", "postgres": "database", "valkey": "Valkey",
          "weed": "store", "seaweed": "store", "serve": "API", "worker": "workers"}  # fmt: skip


def run(*, quick: bool) -> None:
    """Measure and print."""
    with temporary_folder() as folder, LocalDeployment(folder / "stack") as deployment:
        api = Api(deployment.base_url)
        try:
            email = _customer(api)
            deployment.run("user", "grant-plan", email, "pro")
            _measure(api, quick=quick)
        finally:
            api.close()


def _customer(api: Api) -> str:
    email = f"bench-{secrets.token_hex(4)}@example.com"
    api.post("/v1/auth/register", {"email": email, "password": _PASSWORD, "display_name": "Bench"})
    tokens = api.post("/v1/auth/login", {"identifier": email, "password": _PASSWORD})
    api.authorize(tokens["access_token"])
    return email


def _measure(api: Api, *, quick: bool) -> None:
    saved = _saved(api, _LENGTH / 6 if quick else _LENGTH)
    first = _first_frames(api, 3 if quick else 9)
    heading(f"A render of {saved['duration']:.0f} s at 1080p on an idle farm")
    before = _spent()
    job = _render(api, saved, "1080p")
    after = _spent()
    timings = job["timings"]
    frames = sum(timings[name] for name in ("render", "convert", "encode"))
    kinds = {kind: after[kind] - before.get(kind, 0.0) for kind in after}
    total = sum(kinds.values())
    moving = kinds.pop("store", 0.0)
    kinds["render processes"] = max(0.0, kinds.get("render processes", 0.0) - frames)
    kinds["render processes, beside frames"] = kinds.pop("render processes")
    other = sum(kinds.values())
    rows = [["drawing, converting, encoding", f"{frames:.1f}", f"{frames / total:.1%}"],
            ["moving bytes (the store)", f"{moving:.1f}", f"{moving / total:.1%}"]]  # fmt: skip
    rows += [
        [kind, f"{seconds:.2f}", f"{seconds / total:.1%}"]
        for kind, seconds in sorted(kinds.items(), key=lambda each: -each[1])
    ]
    rows.append(["overhead", f"{other:.2f}", f"{other / total:.1%}"])
    table(["processor time", "seconds", "of all"], rows)
    met = "met" if other / total <= OVERHEAD else "MISSED"
    print(f"overhead {other / total:.1%} (goal {OVERHEAD:.0%}: {met})")
    totals, claimed = [a for a, _ in first], [b for _, b in first]
    table(
        ["submit to first frame, ms", "median", "p90"],
        [
            ["to the claim", f"{percentile(claimed, 50):.0f}", f"{percentile(claimed, 90):.0f}"],
            [
                "to the first frame",
                f"{percentile(totals, 50):.0f}",
                f"{percentile(totals, 90):.0f}",
            ],
        ],
    )
    print(verdict_ms("first frame", percentile(totals, 50), FIRST_MS))


def _saved(api: Api, length: float) -> dict[str, Any]:
    """Return a filled project of a template, its scenes repeated until it is so long."""
    detail = api.get(f"/v1/templates/{_TEMPLATE}")
    body = {"project_id": detail["projects"][0]["id"], "name": "bench"}
    saved, headers = api.call("POST", "/v1/saved-projects", body=body)
    etag = headers["etag"]
    base = f"/v1/saved-projects/{saved['id']}"
    contents = {
        scene["id"]: {s["key"]: s["default"] for s in scene["contents"] if s["required"]}
        for scene in saved["scenes"]
    }
    saved, etag = api.change("PUT", f"{base}/contents", {"scenes": contents}, etag)
    scenes = [scene["id"] for scene in saved["scenes"] if scene["repeatable"]]
    while saved["duration"] < length:
        scene = scenes.pop(0)
        try:
            saved, etag = api.change("POST", f"{base}/scenes/{scene}/duplicate", None, etag)
        except ApiError as refusal:
            if refusal.problem.get("code") != "scene_not_repeatable":
                raise
        else:  # it may come again, after the others
            scenes.append(scene)
    return dict(saved)


def _render(api: Api, saved: dict[str, Any], resolution: str) -> dict[str, Any]:
    body = {"saved_project_id": saved["id"], "resolution": resolution}
    job = api.post("/v1/renders", body, idempotent=True)
    for _ in follow(api, job["id"]):
        pass
    done: dict[str, Any] = api.get(f"/v1/renders/{job['id']}")
    if done["step"] != "Done":
        raise SystemExit(f"the render ended as {done['step']}")
    return done


def _first_frames(api: Api, rounds: int) -> list[tuple[float, float]]:
    """Return milliseconds from submits to first frames, and to the claims before them."""
    saved = _saved(api, 1.0)
    found = []
    for number in range(rounds + 1):
        job = _render(api, saved, "360p")
        told = api.get(f"/v1/renders/{job['id']}/history")
        submitted = datetime.fromisoformat(told["submitted_at"])
        waits = []
        for piece in told["pieces"]:
            for attempt in piece["attempts"]:
                claimed = datetime.fromisoformat(attempt["started_at"]) - submitted
                if piece["kind"] == "video" and attempt["outcome"] == "Done":
                    waits.append((claimed.total_seconds(), attempt["first_frame_seconds"]))
        if number:  # the first one fetches and opens the template
            claim, opening = min(waits, key=sum)
            found.append((1e3 * (claim + opening), 1e3 * claim))
    return found


def _spent() -> dict[str, float]:
    """Return the processor time of all processes below this one by kind, ended ones included."""
    found: dict[str, float] = {}
    for pid in processes_below(os.getpid()):
        kind = _kind(pid)
        found[kind] = found.get(kind, 0.0) + processor_seconds(pid, ended=True)
    return found


def _kind(pid: int) -> str:
    try:
        words = (
            Path(f"/proc/{pid}/cmdline")
            .read_bytes()
            .replace(b"\0", b" ")
            .decode("utf-8", "replace")
        )
    except OSError:
        words = ""
    return next((kind for word, kind in _KINDS.items() if word in words), "others")
