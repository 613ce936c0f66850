"""A node's side of fonts: which faces it has, and installing one that the farm asks for."""

import asyncio
from collections.abc import Container
from typing import Any

import msgspec

from flatrender_render.farm.cache import Source
from flatrender_render.farm.fonts import ENGINE, MOST_FACES, Face, FontOrder


async def faces_here(engines: Container[str]) -> list[Face]:
    """Return the faces of this machine; none where no engine takes fonts from it."""
    return await asyncio.to_thread(_faces) if ENGINE in engines else []


async def install_font(arguments: dict[str, Any], source: Source) -> dict[str, Any]:
    """Install a font that was asked for; what is there and whole is left alone.

    Raises ``FontRefused``, ``StoreError``, ``OSError`` and ``msgspec.ValidationError``.
    """
    from flatrender_render.engines.aerender import font_install as files
    from flatrender_render.engines.aerender import fonts
    from flatrender_render.engines.aerender.settings import from_environment

    order = msgspec.convert(arguments, FontOrder)
    folder = fonts.own_folder(from_environment())
    path = files.place_of(folder, order.sha256, order.format)
    if await asyncio.to_thread(files.is_there, path, order.sha256):
        return {"already": True}
    fresh = await asyncio.to_thread(files.fresh, path)
    try:
        await source.download(order.object_key, fresh)
        names = await asyncio.to_thread(files.settle, fresh, path, order.sha256)
    finally:
        await asyncio.to_thread(fresh.unlink, missing_ok=True)
    return {"already": False, "faces": [f"{name.family} {name.style}" for name in names]}


def _faces() -> list[Face]:
    from flatrender_render.engines.aerender import fonts
    from flatrender_render.engines.aerender.settings import from_environment

    names = fonts.installed_names(fonts.all_folders(from_environment()))
    found = [
        Face(family=n.family[:200], style=n.style[:200], postscript=n.postscript[:200])
        for n in sorted(names)
    ]
    return found[:MOST_FACES]
