"""Runs alone in a process that bounds itself: prints what a picture, sound or video is, as JSON.

Memory and time are capped by the kernel before a byte is read, so a hostile file costs this
process and nothing else. A picture is decoded whole once its pixels are known to be few enough;
of a sound or video no more than its first frame. Imports nothing of ours: it is run by path.
"""

import contextlib
import json
import sys

SECONDS = 20
MEMORY = 1 << 30


def main(kind: str, path: str, pixel_cap: int, side_cap: int) -> None:
    """Print the facts of ``path``; any failure is a non-zero exit."""
    _bound()
    found = _picture(path, pixel_cap, side_cap) if kind == "picture" else _sound(path)
    print(json.dumps(found))


def _bound() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # no rlimits on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def _picture(path: str, pixel_cap: int, side_cap: int) -> dict[str, object]:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # our own cap answers with the size
    with Image.open(path) as image:
        width, height = image.size
        if width * height > pixel_cap or max(width, height) > side_cap:
            return {"too_large": True, "width": width, "height": height}
        image.load()
        alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
        if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # EXIF: shown on its side
            width, height = height, width
        return {"width": width, "height": height, "alpha": alpha}


def _sound(path: str) -> dict[str, object]:
    import av

    with av.open(path, options={"protocol_whitelist": "file"}) as container:
        streams = [*container.streams.audio, *container.streams.video]
        next(container.decode(streams[0]))
        if container.duration is not None:
            seconds = container.duration / 1_000_000
        else:
            stream = streams[0]
            seconds = float((stream.duration or 0) * (stream.time_base or 0))
        return {"duration": seconds, "video": bool(container.streams.video)}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
