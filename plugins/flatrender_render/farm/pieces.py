"""The three kinds of work of a render job: a range of frames, the sound, the assembly.

Each makes local files in a render process, proves them, uploads them under attempt-scoped keys
and returns what the report needs. Nothing here changes a row.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from flatrender.storage import ObjectMissing, ObjectTooLong
from flatrender.template.after_effects import BUNDLE_ENGINE, open_bundle
from flatrender.template.archive import ArchiveLimits, SafeArchive
from flatrender.template.composition import ImageRef
from flatrender_render.domain import Step
from flatrender_render.engines import RenderSpec
from flatrender_render.engines.pool import OnProgress, RenderPool
from flatrender_render.engines.work import RenderChunk
from flatrender_render.farm.cache import ContentCache, file_digest
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.link import Files, Part
from flatrender_render.farm.repairs import Damage, Damaged, defect_of
from flatrender_render.farm.reports import FinishedExport, Piece
from flatrender_render.media.audio import AudioSource
from flatrender_render.media.errors import ProofFailed, Stopped
from flatrender_render.media.join import SegmentFile
from flatrender_render.media.proof import Expectation

Entering = Callable[[Step], Awaitable[None]]

POSTER_WIDTH = 1280
THUMBNAIL_WIDTH = 480
PROOF_SAMPLES = 3
FETCHES = 8


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What a piece of work has at hand. ``stop`` is set when the fence is gone."""

    pool: RenderPool
    cache: ContentCache
    files: Files
    folder: Path
    stop: asyncio.Event

    def check(self) -> None:
        """Raise ``Stopped`` once the work is not wanted any more."""
        if self.stop.is_set():
            raise Stopped


def needed_files(claim: Claim) -> dict[str, str]:
    """Return SHA-256 -> object key of the package and the customer's pictures."""
    wanted = {claim.job.package_sha256: claim.job.package_object_key}
    for scene in claim.job.composition.scenes:
        for value in scene.values.values():
            if isinstance(value, ImageRef):
                wanted[value.sha256] = value.object_key
    return wanted


def still_frame(total: int) -> int:
    """Return the frame of a film that its poster and thumbnail show."""
    return min(total - 1, total * 2 // 5)


def expected_of(
    claim: Claim,
    frames: int,
    *,
    sha256: str = "",
    size: int = 0,
    audio: bool = False,
    decode: bool = True,
) -> Expectation:
    """Return what a file of so many frames of the job must be; see ``Expectation``."""
    job = claim.job
    return Expectation(
        width=job.width,
        height=job.height,
        fps=job.fps,
        frames=frames,
        sha256=sha256,
        size=size,
        audio=audio,
        decode=decode,
    )


def spec_of(claim: Claim, files: dict[str, Path]) -> RenderSpec:
    """Return the engine's view of the job with local paths."""
    job = claim.job
    return RenderSpec(
        package=str(files[job.package_sha256]),
        package_sha256=job.package_sha256,
        composition=job.composition,
        width=job.width,
        height=job.height,
        watermark=job.watermark,
        assets={d: str(p) for d, p in files.items() if d != job.package_sha256},
    )


async def video(desk: Desk, claim: Claim, on_progress: OnProgress) -> Piece:
    """Draw and encode a range of frames, prove the segment, upload it."""
    job = claim.job
    output = desk.folder / "segment.mp4"
    async with desk.cache.hold(
        needed_files(claim), desk.files, package=job.package_sha256
    ) as files:
        work = RenderChunk(
            engine=job.engine,
            spec=spec_of(claim, files),
            first=claim.first_frame,
            last=claim.last_frame,
            output=str(output),
        )
        report = await desk.pool.render_chunk(work, on_progress, desk.stop)
        desk.check()
        # Against frames drawn anew, so black, frozen or foreign pictures do not pass.
        proof = await desk.pool.prove_chunk(work, report, samples=PROOF_SAMPLES)
    desk.check()
    key = claim.object_key("mp4")
    seconds = await _upload(desk, key, output, "video/mp4")
    return Piece(
        object_key=key,
        sha256=report.sha256,
        frames=claim.frames,
        packets=report.packets,
        bytes=report.size,
        render=report.open_seconds + report.render_seconds,
        convert=report.convert_seconds,
        encode=report.encode_seconds,
        upload=seconds,
        proof={"warnings": proof.warnings},
    )


async def audio(desk: Desk, claim: Claim) -> Piece:
    """Mix the sound of the whole timeline once."""
    job = claim.job
    clips = job.composition.audio
    objects = {
        clip.sha256: clip.source.removeprefix("object:")
        for clip in clips
        if clip.source.startswith("object:")
    }
    begun = time.monotonic()
    wanted = {job.package_sha256: job.package_object_key, **objects}
    async with desk.cache.hold(wanted, desk.files, package=job.package_sha256) as files:
        inside = [
            c.source.removeprefix("package:") for c in clips if c.source.startswith("package:")
        ]
        unpacked = await asyncio.to_thread(
            _unpack, files[job.package_sha256], job.engine, sorted(set(inside)), desk.folder
        )
        sources = [
            AudioSource(
                clip=clip,
                path=str(
                    unpacked[clip.source.removeprefix("package:")]
                    if clip.source.startswith("package:")
                    else files[clip.sha256]
                ),
            )
            for clip in clips
        ]
        output = desk.folder / "sound.m4a"
        mixed = await desk.pool.mix(sources, job.total_frames, job.fps, output, desk.stop)
    desk.check()
    spent = time.monotonic() - begun
    key = claim.object_key("m4a")
    seconds = await _upload(desk, key, output, "audio/mp4")
    return Piece(
        object_key=key,
        sha256=mixed.sha256,
        frames=claim.frames,
        packets=0,
        bytes=mixed.size,
        encode=spent,
        upload=seconds,
        proof={"lufs": mixed.lufs, "peak": mixed.peak},
    )


async def assemble(
    desk: Desk, claim: Claim, parts: list[Part], *, entering: Entering
) -> FinishedExport:
    """Join the segments and the sound, prove the whole file, draw its pictures, upload.

    Raises ``Damaged`` when pieces are not in the store as they were proven.
    """
    job = claim.job
    begun = time.monotonic()
    local = await _fetch_parts(desk, parts)
    desk.check()
    await _prove_again(desk, claim, parts, local)
    desk.check()
    segments = [
        SegmentFile(path=str(local[(p.kind, p.index)]), frames=p.frames)
        for p in parts
        if p.kind == "video"
    ]
    sound = local.get(("audio", 0))
    output = desk.folder / "video.mp4"
    joined = await desk.pool.join(segments, output, job.fps, sound, desk.stop)
    desk.check()
    spent = time.monotonic() - begun
    await entering(Step.UPLOADING)
    prefix = f"exports/{job.tenant_id}/{job.id}/{claim.epoch}"
    key = f"{prefix}/video.mp4"
    seconds = await _upload(desk, key, output, "video/mp4")
    await entering(Step.VALIDATING)
    await desk.pool.prove(
        output,
        expected_of(
            claim,
            job.total_frames,
            sha256=joined.sha256,
            size=joined.size,
            audio=sound is not None,
            decode=False,  # every segment was decoded and proven, and is the very same bytes
        ),
    )
    pictures = await _pictures(desk, claim, output, prefix)
    desk.check()
    return FinishedExport(
        piece=Piece(
            object_key=key,
            sha256=joined.sha256,
            frames=job.total_frames,
            packets=0,
            bytes=joined.size,
            encode=spent,
            upload=seconds,
        ),
        duration=joined.duration,
        audio_codec="aac" if sound is not None else None,
        poster_key=pictures["poster"],
        thumbnail_key=pictures["thumbnail"],
        sheet_key=pictures["sheet"],
    )


async def _pictures(desk: Desk, claim: Claim, video_file: Path, prefix: str) -> dict[str, str]:
    """Draw poster, thumbnail and contact sheet and return their keys."""
    frame = still_frame(claim.job.total_frames)
    sheet = desk.folder / "sheet.png"
    poster = await desk.pool.poster(video_file, frame, min(POSTER_WIDTH, claim.job.width))
    thumbnail = await desk.pool.poster(video_file, frame, min(THUMBNAIL_WIDTH, claim.job.width))
    await desk.pool.sheet(video_file, sheet)
    keys = {
        "poster": f"{prefix}/poster.jpg",
        "thumbnail": f"{prefix}/thumbnail.jpg",
        "sheet": f"{prefix}/sheet.png",
    }
    await asyncio.gather(
        desk.files.put(keys["poster"], poster, content_type="image/jpeg"),
        desk.files.put(keys["thumbnail"], thumbnail, content_type="image/jpeg"),
        desk.files.put(keys["sheet"], sheet, content_type="image/png"),
    )
    return keys


async def _fetch_parts(desk: Desk, parts: list[Part]) -> dict[tuple[str, int], Path]:
    """Fetch the proven pieces, some at a time. Raises ``Damaged`` with all that are not whole."""
    few = asyncio.Semaphore(FETCHES)
    found: dict[tuple[str, int], Path] = {}
    damages: list[Damage] = []

    async def fetch(part: Part) -> None:
        path = desk.folder / f"{part.kind}-{part.index}"
        async with few:
            desk.check()
            try:
                # Its node can write over it for a while: no more of it is taken than was proven.
                await desk.files.download(part.object_key, path, most=part.bytes or None)
            except ObjectMissing:
                damages.append(Damage(kind=part.kind, index=part.index, defect="missing"))
                return
            except ObjectTooLong:
                damages.append(Damage(kind=part.kind, index=part.index, defect="wrong_hash"))
                return
            if await asyncio.to_thread(file_digest, path) != part.sha256:
                damages.append(Damage(kind=part.kind, index=part.index, defect="wrong_hash"))
                return
        found[part.kind, part.index] = path

    for outcome in await asyncio.gather(*(fetch(p) for p in parts), return_exceptions=True):
        if outcome is not None:
            raise outcome
    if damages:
        raise Damaged(damages)
    return found


async def _prove_again(
    desk: Desk, claim: Claim, parts: list[Part], local: dict[tuple[str, int], Path]
) -> None:
    """Prove the segments of machines outside as if they had been drawn here.

    Raises ``Damaged`` with all that do not pass.
    """
    segments = [part for part in parts if part.kind == "video"]
    if not any(part.outside for part in segments):
        return
    job = claim.job
    damages: list[Damage] = []

    async def again(part: Part, first: int, files: dict[str, Path]) -> None:
        work = RenderChunk(
            engine=job.engine,
            spec=spec_of(claim, files),
            first=first,
            last=first + part.frames - 1,
            output=str(local[part.kind, part.index]),
        )
        try:
            desk.check()
            await desk.pool.prove_range(work, part.sha256, part.bytes, PROOF_SAMPLES)
        except ProofFailed as error:
            damage = Damage(kind=part.kind, index=part.index, defect=defect_of(error.kind))
            damages.append(damage)

    async with desk.cache.hold(
        needed_files(claim), desk.files, package=job.package_sha256
    ) as files:
        firsts = accumulate((part.frames for part in segments), initial=0)
        foreign = [(p, first) for p, first in zip(segments, firsts, strict=False) if p.outside]
        outcomes = await asyncio.gather(
            *(again(part, first, files) for part, first in foreign), return_exceptions=True
        )
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
    if damages:
        raise Damaged(damages)


async def _upload(desk: Desk, key: str, path: Path, content_type: str) -> float:
    begun = time.monotonic()
    await desk.files.put(key, path, content_type=content_type)
    return time.monotonic() - begun


def _unpack(package: Path, engine: str, names: list[str], folder: Path) -> dict[str, Path]:
    """Write sounds of the package to files; their names are ours. Raises ``PackageRefused``."""
    found: dict[str, Path] = {}
    if not names:
        return found
    # Designers' bundles keep rules of names and sizes of their own. What else is in a package was
    # looked through when it was imported, and these are the very same bytes.
    bundle = engine == BUNDLE_ENGINE
    opened = open_bundle(package) if bundle else SafeArchive(package, ArchiveLimits())
    with contextlib.closing(opened):
        for name in names:
            path = folder / f"package-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
            path.write_bytes(opened.read(name))
            found[name] = path
    return found
