"""``flatrender lottie``: one animation to a picture or a video, without any server.

Owns the command's words and exit codes: 0 drawn, 1 the file or a value is refused, 2 misuse. Reads
Bodymovin JSON with its pictures beside it, and dotLottie zips of version 1 and 2 (template packages
are such zips as well).
"""

from pathlib import Path, PurePosixPath
from typing import Any, Never

import click
import msgspec
import numpy as np
import skia
from numpy.typing import NDArray

from flatrender.template.archive import ArchiveLimits, SafeArchive
from flatrender.template.manifest import Font, GradientStop
from flatrender.template.problems import PackageRefused

from .animation import Animation
from .assets import FolderAssets, ImageValue, MappingAssets
from .errors import LottieError
from .limits import Limits
from .slots import HEX_LENGTHS, Value
from .text import BadFontError, FontBook

FONT_ENDINGS = (".ttf", ".otf")
MIN_VIDEO_SIZE = 16


class Refused(Exception):
    """The file or a value cannot be used; the message is one clear line."""


def load(file: Path, animation: str | None, direction: str) -> Animation:
    """Read an animation from a file. Raises ``Refused``."""
    reading: Any = direction
    try:
        with file.open("rb") as stream:
            zipped = stream.read(4) == b"PK\x03\x04"
        if not zipped:
            if animation is not None:
                raise Refused("--animation is for .lottie files, which hold several")
            if file.stat().st_size > Limits().json_bytes:
                raise Refused(f"{file} is larger than {Limits().json_bytes} bytes")
            return Animation.parse(
                file.read_bytes(), assets=FolderAssets(file.parent), direction=reading
            )
        with_archive = SafeArchive(file, ArchiveLimits())
        try:
            return _from_zip(with_archive, animation, reading)
        finally:
            with_archive.close()
    except OSError as error:
        raise Refused(f"{file}: {error.strerror or error}") from error
    except (LottieError, PackageRefused) as error:
        raise Refused(f"{file}: {error}") from error


def _from_zip(archive: SafeArchive, animation: str | None, direction: Any) -> Animation:
    paths = {
        PurePosixPath(name).stem: name
        for name in archive.names
        if name.endswith(".json") and name.split("/")[0] in {"a", "animations"}
    }
    if not paths:
        raise Refused("the zip holds no animation")
    if animation is None and len(paths) > 1:
        raise Refused(f"choose one by --animation: {', '.join(sorted(paths))}")
    name = animation if animation is not None else next(iter(paths))
    if name not in paths:
        raise Refused(f"no animation {name!r}; there are: {', '.join(sorted(paths))}")
    pictures = {
        PurePosixPath(n).name: archive.read(n)
        for n in archive.names
        if n.split("/")[0] in {"i", "images"}
    }
    return Animation.parse(
        archive.read(paths[name]),
        assets=MappingAssets(pictures),
        fonts=_fonts(archive),
        direction=direction,
    )


def _fonts(archive: SafeArchive) -> FontBook:
    """Return the zip's fonts under the names that its manifest gives, else their files' names."""
    named: dict[str, Font] = {}
    if "flatrender.json" in archive:
        try:
            listed = msgspec.json.decode(archive.read("flatrender.json"), type=_Fonts)
            named = {font.path: font for font in listed.fonts}
        except msgspec.MsgspecError:  # ``flatrender template check`` says what is wrong with it
            named = {}
    book = FontBook()
    for path in archive.names:
        if not path.startswith("f/") or not path.lower().endswith(FONT_ENDINGS):
            continue
        font = named.get(path)
        family, _, style = PurePosixPath(path).stem.partition("-")
        try:
            if font is not None:
                book.register(archive.read(path), font.family, font.style, font.weight)
            else:
                book.register(archive.read(path), family, style or "Regular")
        except BadFontError as error:
            raise Refused(f"{path}: {error}") from error
    return book


class _Fonts(msgspec.Struct):
    """The one member of ``flatrender.json`` that matters here."""

    fonts: list[Font] = []


def read_values(file: Path, animation: Animation) -> dict[str, Value]:
    """Read slot values: text, ``#rrggbb``, number, list of ``{at, color}``, path of a picture."""
    try:
        raw = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise Refused(f"{file}: {error}") from error
    if not isinstance(raw, dict):
        raise Refused(f"{file}: expected an object of slot ids and values")
    values: dict[str, Value] = {}
    for sid, value in raw.items():
        info = animation.slots.get(sid)
        if info is None:
            known = ", ".join(sorted(animation.slots)) or "none"
            raise Refused(f"{file}: there is no slot {sid!r}; there are: {known}")
        try:
            if info.kind == "gradient":
                values[sid] = msgspec.convert(value, list[GradientStop])
            elif info.kind == "image":
                values[sid] = _picture(file.parent, value)
            else:
                values[sid] = msgspec.convert(value, str | float)
        except msgspec.ValidationError as error:
            raise Refused(f"{file}: slot {sid!r}: {error}") from error
    return values


class _PictureValue(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    focus_x: float = 0.5
    focus_y: float = 0.5
    zoom: float = 1.0


def _picture(folder: Path, value: object) -> ImageValue:
    given = (
        _PictureValue(value) if isinstance(value, str) else msgspec.convert(value, _PictureValue)
    )
    path = folder / given.path
    try:
        return ImageValue(path.read_bytes(), given.focus_x, given.focus_y, given.zoom)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or error}") from error


def paint(
    animation: Animation, frame: float, pixels: NDArray[np.uint8], background: int | None
) -> None:
    """Draw a frame over all of ``pixels`` (BGRA, premultiplied), fitted whole into its size."""
    height, width = pixels.shape[:2]
    info = skia.ImageInfo.Make(width, height, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
    canvas = skia.Surface.MakeRasterDirect(info, pixels).getCanvas()
    canvas.clear(background if background is not None else 0)
    scale = min(width / animation.width, height / animation.height)
    canvas.translate((width - animation.width * scale) / 2, (height - animation.height * scale) / 2)
    canvas.scale(scale, scale)
    animation.draw(canvas, frame)


def write_png(pixels: NDArray[np.uint8], output: Path) -> None:
    """Write premultiplied BGRA pixels as a PNG."""
    info = skia.ImageInfo.Make(
        pixels.shape[1], pixels.shape[0], skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType
    )
    image = skia.Image.MakeRasterCopy(skia.Pixmap(info, pixels, pixels.shape[1] * 4))
    encoded = image.encodeToData(skia.EncodedImageFormat.kPNG, 100)
    output.write_bytes(encoded.bytes())


def write_mp4(
    animation: Animation, size: tuple[int, int], background: int | None, output: Path
) -> int:
    """Write the whole animation as H.264; return the number of frames."""
    from flatrender_render.media.encode import SegmentEncoder, VideoFormat
    from flatrender_render.media.errors import EncodeFailed

    width, height = (n - n % 2 for n in size)
    if min(width, height) < MIN_VIDEO_SIZE:
        raise Refused(f"a video needs at least {MIN_VIDEO_SIZE} x {MIN_VIDEO_SIZE} pixels")
    fps = max(round(animation.fps), 1)
    seconds = (animation.out_frame - animation.in_frame) / animation.fps
    count = max(round(seconds * fps), 1)
    spec = VideoFormat(width=width, height=height, fps=fps)
    opaque = 0xFF000000 if background is None else 0xFF000000 | background
    try:
        with SegmentEncoder(output, spec) as encoder:
            for number in range(count):
                frame = animation.in_frame + number * animation.fps / fps
                paint(animation, frame, encoder.buffer, opaque)
                encoder.write()
            encoder.finish()
    except EncodeFailed as error:
        raise Refused(f"{output}: {error}") from error
    return count


def _size(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise click.BadParameter("expected WIDTHxHEIGHT, such as 1280x720")
    size = (int(width), int(height))
    if not all(1 <= n <= Limits().dimension for n in size):
        raise click.BadParameter(f"each side must be from 1 to {Limits().dimension}")
    return size


def _color(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    digits = text.removeprefix("#")
    if len(digits) + 1 not in HEX_LENGTHS or any(c not in "0123456789abcdefABCDEF" for c in digits):
        raise click.BadParameter("expected #rrggbb")
    if len(digits) == 3:
        digits = "".join(c * 2 for c in digits)
    alpha = digits[6:] or "ff"
    return int(alpha + digits[:6], 16)


def _fail(message: str) -> Never:
    click.echo(f"flatrender: {' '.join(message.split())}", err=True)
    raise SystemExit(1)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="PNG or MP4.")
@click.option("--frame", type=float, help="Frame of the picture; the first one by default.")
@click.option(
    "--slots", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON of values."
)
@click.option("--size", callback=_size, help="WIDTHxHEIGHT; the animation's own by default.")
@click.option("--background", callback=_color, help="#rrggbb; transparent (black in video).")
@click.option("--animation", help="Which animation of a .lottie file.")
@click.option("--direction", type=click.Choice(["ltr", "rtl"]), default="ltr", show_default=True)
def lottie(
    *,
    file: Path,
    output: Path | None,
    frame: float | None,
    slots: Path | None,
    size: tuple[int, int] | None,
    background: int | None,
    animation: str | None,
    direction: str,
) -> None:
    """Draw FILE (.json or .lottie): a PNG of one frame, or an MP4 of all.

    Without --output it prints the size, the slots and what is not drawn.
    """
    kind = output.suffix.lower() if output is not None else ""
    if kind not in {"", ".png", ".mp4"}:
        raise click.UsageError("--output must end in .png or .mp4")
    if kind == ".mp4" and frame is not None:
        raise click.UsageError("--frame is for pictures; a video has all frames")
    try:
        drawn = load(file, animation, direction)
        if slots is not None:
            drawn = drawn.with_slots(read_values(slots, drawn))
        for missing in drawn.unsupported:
            click.echo(f"not drawn: {missing.name} ({missing.where})", err=True)
        shape = size or (drawn.width, drawn.height)
        if output is None:
            _describe(drawn)
        elif kind == ".mp4":
            write_mp4(drawn, shape, background, output)
        else:
            pixels = np.zeros((shape[1], shape[0], 4), np.uint8)
            paint(drawn, drawn.in_frame if frame is None else frame, pixels, background)
            write_png(pixels, output)
    except (Refused, LottieError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or output}: {error.strerror or error}")


def _describe(drawn: Animation) -> None:
    frames = drawn.out_frame - drawn.in_frame
    click.echo(
        f"{drawn.width} x {drawn.height}, {drawn.fps:g} frames/s, "
        f"frames {drawn.in_frame:g} to {drawn.out_frame:g} ({frames / drawn.fps:.2f} s)"
    )
    for sid, info in sorted(drawn.slots.items()):
        shown = str(info.default)
        click.echo(f"slot {sid}: {info.kind}, default {shown[:60]}")
