"""A node proves itself: a small built-in composition is drawn, encoded and proven.

The same render processes and the same proof as for a customer's video, without the store: what
fails here is the machine. Owns the composition; changes no row.
"""

import asyncio
import hashlib
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from flatrender.template.composition import Composition, SceneInstance
from flatrender.template.manifest import TemplateManifest
from flatrender.template.package import write_package
from flatrender_render.engines import RenderSpec
from flatrender_render.engines.pool import RenderPool
from flatrender_render.engines.work import RenderChunk

WIDTH, HEIGHT, FPS, FRAMES = 320, 180, 30, 30
_SECONDS = FRAMES / FPS


async def prove_machine(pool: RenderPool, scratch: Path) -> dict[str, Any]:
    """Draw and prove the built-in composition; returns frames, seconds and hash.

    Raises ``PoolError`` and ``MediaError`` as a customer's piece does.
    """
    begun = time.monotonic()
    await asyncio.to_thread(scratch.mkdir, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="test-", dir=scratch) as name:
        folder = Path(name)
        data = _package()
        await asyncio.to_thread((folder / "test.lottie").write_bytes, data)
        work = RenderChunk(
            engine="lottie",
            spec=RenderSpec(
                package=str(folder / "test.lottie"),
                package_sha256=hashlib.sha256(data).hexdigest(),
                composition=_composition(),
                width=WIDTH,
                height=HEIGHT,
            ),
            first=0,
            last=FRAMES - 1,
            output=str(folder / "segment.mp4"),
        )
        report = await pool.render_chunk(work)
        proof = await pool.prove_chunk(work, report)
    return {
        "frames": FRAMES,
        "seconds": round(time.monotonic() - begun, 3),
        "sha256": report.sha256,
        "warnings": list(proof.warnings),
    }


def _composition() -> Composition:
    scene = SceneInstance(id="test", scene_key="test", animation="main", duration=_SECONDS)
    return Composition(
        width=WIDTH, height=HEIGHT, fps=FPS, aspect="16:9", direction="ltr", scenes=[scene]
    )


def _package() -> bytes:
    names = {"fa": "آزمون", "en": "test"}
    scene = {
        "key": "test", "name": names, "animation": "main", "duration": _SECONDS,
        "min_duration": _SECONDS, "max_duration": _SECONDS, "slots": [],
    }  # fmt: skip
    manifest = msgspec.convert(
        {
            "format": 1, "slug": "node-test", "version": "1.0.0", "mode": "Flexible",
            "name": names, "description": names, "category": "tests",
            "variants": [{"aspect": "16:9", "width": WIDTH, "height": HEIGHT, "fps": FPS,
                          "scenes": [scene]}],
        },
        TemplateManifest,
    )  # fmt: skip
    return write_package(manifest, {"a/main.json": msgspec.json.encode(_animation())})


def _animation() -> dict[str, Any]:
    """A square that crosses a dark ground, so that every frame differs from the last."""
    side = HEIGHT // 3
    ease = {"x": [0.5], "y": [0.5]}
    travel = {
        "a": 1,
        "k": [
            {"t": 0, "s": [side, HEIGHT / 2, 0], "i": ease, "o": ease},
            {"t": FRAMES, "s": [WIDTH - side, HEIGHT / 2, 0]},
        ],
    }
    return {
        "v": "5.9.0", "fr": FPS, "ip": 0, "op": FRAMES, "w": WIDTH, "h": HEIGHT, "nm": "test",
        "ddd": 0, "assets": [], "layers": [
            _layer(1, [side, side], [1.0, 0.8, 0.2, 1], travel),
            _layer(2, [WIDTH, HEIGHT], [0.1, 0.1, 0.2, 1], _still([WIDTH / 2, HEIGHT / 2, 0])),
        ],
    }  # fmt: skip


def _layer(index: int, size: list[int], colour: list[float], position: Any) -> dict[str, Any]:
    return {
        "ty": 4, "nm": str(index), "ind": index, "ip": 0, "op": FRAMES, "st": 0, "sr": 1, "bm": 0,
        "ks": {"o": _still(100), "r": _still(0), "p": position, "a": _still([0, 0, 0]),
               "s": _still([100, 100, 100])},
        "shapes": [{"ty": "gr", "nm": "g", "it": [
            {"ty": "rc", "nm": "r", "d": 1, "p": _still([0, 0]), "s": _still(size), "r": _still(0)},
            {"ty": "fl", "nm": "f", "c": _still(colour), "o": _still(100), "r": 1},
            {"ty": "tr", "p": _still([0, 0]), "a": _still([0, 0]), "s": _still([100, 100]),
             "r": _still(0), "o": _still(100), "sk": _still(0), "sa": _still(0)},
        ]}],
    }  # fmt: skip


def _still(value: object) -> dict[str, Any]:
    return {"a": 0, "k": value}
