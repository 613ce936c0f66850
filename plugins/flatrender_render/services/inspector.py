"""What the engine says of a template package: the ``TemplateInspector`` port."""

import asyncio
from pathlib import Path
from typing import Literal

from flatrender.contracts.render import InspectionNote
from flatrender.plugin import PluginContext
from flatrender.template.composition import Composition, SceneInstance
from flatrender.template.manifest import Scene, TemplateManifest, Variant
from flatrender.template.package import TemplatePackage
from flatrender_render.domain import output_size
from flatrender_render.engines import RenderSpec
from flatrender_render.engines.pool import PoolError, RenderPool, WorkerCrashed, WorkFailed


class InspectorService:
    """Asks the engine in a render process of its own: a bad package costs that process only."""

    def __init__(self, context: PluginContext) -> None:
        del context
        self._pool = RenderPool(1)

    async def inspect(self, package: Path) -> list[InspectionNote]:
        """Return every problem and limitation the engine sees."""
        manifest, _ = await asyncio.to_thread(_read, package)
        name = manifest.engine
        try:
            return await self._pool.inspect(name, package)
        except (WorkFailed, WorkerCrashed) as error:
            return [_broken(error)]

    async def still(
        self, package: Path, *, aspect: str, scene_key: str | None, width: int
    ) -> bytes:
        """Draw one settled frame with default values as JPEG."""
        manifest, digest = await asyncio.to_thread(_read, package)
        variant = next(v for v in manifest.variants if v.aspect == aspect)
        scene = next((s for s in variant.scenes if s.key == scene_key), variant.scenes[0])
        composition = _composition(variant, scene, manifest.direction)
        out_width, out_height = output_size(variant.width, variant.height, "720p")
        spec = RenderSpec(
            package=str(package),
            package_sha256=digest,
            composition=composition,
            width=out_width,
            height=out_height,
        )
        settled = min(scene.duration - scene.outro, max(scene.intro, scene.duration * 0.6))
        return await self._pool.snapshot(
            manifest.engine, spec, int(settled * variant.fps), width=width
        )

    async def sound_seconds(self, path: Path) -> float:
        """Return how long a sound file plays, 0.0 for what is no readable sound."""
        try:
            info = await self._pool.probe(path)
        except WorkFailed:
            return 0.0
        return info.duration if info.audio_codec else 0.0

    async def close(self) -> None:
        """End the render process."""
        await self._pool.close()


def _read(package: Path) -> tuple[TemplateManifest, str]:
    """Return the manifest of a package and the package's hash; takes a while for a large one."""
    with TemplatePackage.open(package) as opened:
        return opened.manifest, opened.sha256


def _broken(error: PoolError) -> InspectionNote:
    """A package that brings the engine down is no good, whatever else may be right with it."""
    return InspectionNote(
        level="error",
        code=error.code,
        place="/",
        message_en=f"The engine could not examine the package: {error}",
        message_fa="موتور رندر نتوانست بسته را بررسی کند",
    )


def _composition(variant: Variant, scene: Scene, direction: Literal["rtl", "ltr"]) -> Composition:
    # No values: what the animation itself holds are the defaults.
    return Composition(
        width=variant.width,
        height=variant.height,
        fps=variant.fps,
        aspect=variant.aspect,
        direction=direction,
        scenes=[
            SceneInstance(
                id="still",
                scene_key=scene.key,
                animation=scene.animation,
                duration=scene.duration,
                intro=scene.intro,
                outro=scene.outro,
            )
        ],
    )
