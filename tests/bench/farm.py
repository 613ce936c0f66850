"""What the farm costs beside rendering, over the whole product as ``flatrender up`` runs it.

A customer's video of about a minute, at 1080p, on an idle machine. Two figures:

- **Overhead**: processor time of everything that is not drawing, converting, encoding or moving
  bytes, as a share of all: proofs, what is left of the render processes, the workers' event loop,
  API, database, Valkey. What render processes spend on a kind of work they report with it; the
  sound and the pictures (poster, thumbnail, contact sheet) are drawn and encoded like frames.
  Joining copies packets: it is moving bytes, as is all that the store does.
- **First frame**: from the submit (the job's own row) until its first frame is encoded: queue,
  wake-up, claim, package, opening of the scene.
"""

import json
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
#: Kinds of work of a render process; the rest is overhead.
_WORKS = {
    "RenderChunk": "drawing, converting, encoding",
    "MixSound": "mixing and encoding the sound",
    "MakePoster": "pictures of the video",
    "MakeSheet": "pictures of the video",
    "JoinSegments": "joining",
    "ProveFile": "proofs",
    "DrawReference": "proofs",
}
_NO_OVERHEAD = {*_WORKS.values(), "the store"} - {"proofs"}
_KINDS = {
    "engines.worker": "render processes",
    "postgres": "database",
    "valkey": "Valkey",
    "weed": "the store",
    "seaweed": "the store",
    "serve": "API",
    "worker": "workers",
}


def run(*, quick: bool) -> None:
    """Measure and print."""
    os.environ["FLATRENDER_OBSERVABILITY_LOG_FORMAT"] = "json"  # it is read here
    with temporary_folder() as folder, LocalDeployment(folder / "stack") as deployment:
        api = Api(deployment.base_url)
        try:
            email = _customer(api)
            deployment.run("user", "grant-plan", email, "pro")
            _measure(api, deployment.folder / "logs" / "worker.log", quick=quick)
        finally:
            api.close()


def _customer(api: Api) -> str:
    email = f"bench-{secrets.token_hex(4)}@example.com"
    api.post("/v1/auth/register", {"email": email, "password": _PASSWORD, "display_name": "Bench"})
    tokens = api.post("/v1/auth/login", {"identifier": email, "password": _PASSWORD})
    api.authorize(tokens["access_token"])
    return email


def _measure(api: Api, log: Path, *, quick: bool) -> None:
    saved = _saved(api, _LENGTH / 6 if quick else _LENGTH)
    first = _first_frames(api, 3 if quick else 9)
    heading(f"A render of {saved['duration']:.0f} s at 1080p on an idle farm")
    before, logged = _spent(), log.stat().st_size
    _render(api, saved, "1080p")
    after = _spent()
    kinds = {kind: after[kind] - before.get(kind, 0.0) for kind in after}
    for kind, seconds in _works(log, logged).items():
        kinds[kind] = kinds.get(kind, 0.0) + seconds
        kinds["render processes"] -= seconds
    kinds["render processes, beside their work"] = max(0.0, kinds.pop("render processes"))
    total = sum(kinds.values())
    other = sum(seconds for kind, seconds in kinds.items() if kind not in _NO_OVERHEAD)
    lines = sorted(kinds.items(), key=lambda each: (each[0] not in _NO_OVERHEAD, -each[1]))
    lines += [("overhead", other), ("overhead less the proofs", other - kinds["proofs"])]
    table(
        ["processor time", "seconds", "of all"],
        [[kind, f"{seconds:.2f}", f"{seconds / total:.1%}"] for kind, seconds in lines],
    )
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


def _works(log: Path, since: int) -> dict[str, float]:
    """Return the processor time of what render processes did, from a worker's log."""
    found: dict[str, float] = {}
    with log.open("rb") as lines:
        lines.seek(since)
        for line in lines:
            if b"attempt_done" in line:
                for work, seconds in json.loads(line)["processor_seconds"].items():
                    kind = _WORKS.get(work, work)
                    found[kind] = found.get(kind, 0.0) + seconds
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
