"""Fonts that an administrator brings: read, kept by their hash, offered and told of.

The file was checked when it was uploaded (``purpose`` font). One file for a face: bringing the same
face again replaces the file, and its identity is the hash of its bytes.
"""

import asyncio
import io
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

from fontTools.ttLib import TTFont, TTLibError
from fontTools.ttLib.ttCollection import TTCollection
from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.contracts.content import FontInstalled
from flatrender.contracts.files import FileStore
from flatrender.errors import Invalid, NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_content.schemas import AdminFont
from flatrender_content.services.reading import Stored, scripts_of, stored

MAX_BYTES = 64 * 2**20
_HEADS = {b"\0\1\0\0": "ttf", b"true": "ttf", b"OTTO": "otf", b"ttcf": "ttc"}
# OpenType 1.9, "name" and "OS/2".
_FAMILY, _STYLE, _POSTSCRIPT, _TYPO_FAMILY, _TYPO_STYLE = 1, 2, 6, 16, 17
_ITALIC = 1

_SAVE = """
INSERT INTO content.fonts AS f (id, tenant_id, family, style, weight, italic, postscript_name,
       format, scripts, object_key, sha256, size_bytes, source, created_by)
VALUES (:id, :tenant, :family, :style, :weight, :italic, :postscript, :format,
        CAST(:scripts AS text[]), :object_key, :sha256, :size, 'Upload', :by)
ON CONFLICT (tenant_id, lower(family), lower(style)) WHERE deleted_at IS NULL DO UPDATE
SET weight = excluded.weight, italic = excluded.italic, format = excluded.format,
    postscript_name = excluded.postscript_name, scripts = excluded.scripts,
    object_key = excluded.object_key, sha256 = excluded.sha256, size_bytes = excluded.size_bytes,
    source = 'Upload', active = true
RETURNING id, family, style, weight, format, scripts, source, active
"""


class NoFont(Invalid):
    """The file is no font that machines install."""

    code = "not_a_font"
    title_fa = "این فایل فونتی نیست که بتوان نصب کرد"
    title_en = "The file is no font that can be installed"
    detail_fa = "فایل TTF، OTF یا TTC با نام و حداکثر ۶۴ مگابایت بدهید."
    detail_en = "Bring a TTF, OTF or TTC with names in it, of at most 64 MiB."


class _Read(Struct, frozen=True, kw_only=True):
    family: str
    style: str
    postscript: str
    weight: int
    italic: bool
    format: str
    file: Stored
    scripts: list[str]


class FontService:
    """Brings fonts into a tenant's library."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._files = context.port(FileStore)
        self._storage = context.infra.storage

    async def add(self, principal: Principal, file_id: UUID) -> AdminFont:
        """Keep one of the caller's own files as a font, and tell of it.

        Raises ``NotFound`` and :class:`NoFont`.
        """
        if principal.user_id is None:
            raise NotFound()
        found = await self._files.resolve(principal.tenant_id, principal.user_id, [file_id])
        file = found.get(file_id)
        if file is None:
            raise NotFound()
        if file.size_bytes > MAX_BYTES:
            raise NoFont()
        with tempfile.TemporaryDirectory(prefix="flatrender-font-") as folder:
            path = Path(folder, "font")
            await self._storage.download(file.object_key, path)
            font = await asyncio.to_thread(_read, path)
        await self._storage.put(
            font.file.object_key, font.file.data, content_type=font.file.content_type
        )
        async with self._db.unit_of_work(principal.tenant_id) as work:
            saved = await work.execute(
                _SAVE,
                id=uuid7(),
                tenant=work.tenant,
                family=font.family,
                style=font.style,
                weight=font.weight,
                italic=font.italic,
                postscript=font.postscript or None,
                format=font.format,
                scripts=font.scripts,
                object_key=font.file.object_key,
                sha256=font.file.sha256,
                size=font.file.size,
                by=principal.user_id,
            )
            made = AdminFont(**saved.mappings().one())
            work.emit(
                FontInstalled(
                    font_id=made.id,
                    family=made.family,
                    style=made.style,
                    object_key=font.file.object_key,
                    sha256=font.file.sha256,
                    source="Upload",
                    postscript_name=font.postscript,
                    size_bytes=font.file.size,
                )
            )
        return made


def _read(path: Path) -> _Read:
    """Return what a font file says of itself; of a collection, its first face."""
    data = path.read_bytes()
    suffix = _HEADS.get(data[:4])
    if suffix is None:
        raise NoFont()
    try:
        file = io.BytesIO(data)
        if suffix == "ttc":
            several = TTCollection(file, lazy=True)  # type: ignore[no-untyped-call]  # none there
            return _face(several.fonts[0], suffix, data)
        return _face(TTFont(file, lazy=True), suffix, data)
    except (TTLibError, OSError, ValueError, KeyError, IndexError, AssertionError) as error:
        raise NoFont() from error


def _face(font: TTFont, suffix: str, data: bytes) -> _Read:
    names = font["name"]
    os2: Any = font["OS/2"]  # tables know their fields by what they read

    def text(*numbers: int) -> str:
        found = (names.getDebugName(number) for number in numbers)
        return next((str(name).strip()[:200] for name in found if name), "")

    family = text(_TYPO_FAMILY, _FAMILY)
    if not family:
        raise NoFont()
    return _Read(
        family=family,
        style=text(_TYPO_STYLE, _STYLE) or "Regular",
        postscript=text(_POSTSCRIPT),
        weight=min(1000, max(1, int(os2.usWeightClass))),
        italic=bool(int(os2.fsSelection) & _ITALIC),
        format=suffix,
        file=stored("fonts", f"font.{suffix}", data),
        scripts=scripts_of(data) if suffix != "ttc" else [],
    )
