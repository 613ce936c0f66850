"""Rows of a table laid over a saved project: what its columns mean, and every cell's check.

The project itself is read once and never changed.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from flatrender.contracts.files import FileRef, FileStore
from flatrender.contracts.studio import FilledRows, RowFilling, SlotColumn
from flatrender.errors import FieldError
from flatrender.plugin import PluginContext
from flatrender.template.composition import SlotValue
from flatrender.template.decode import escape
from flatrender.template.manifest import ImageSlot, NumberSlot, TextSlot
from flatrender_studio.domain import Content, Project, Scene, compose, scene_values
from flatrender_studio.queries import project_of
from flatrender_studio.services.filling import picture_of
from flatrender_studio.services.frozen import freeze

MAX_ERRORS = 200
#: Persian and Arabic digits, and the signs that go with them in numbers.
_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩٫٬−", "01234567890123456789.,-")
_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")


class RowService:
    """Implements ``columns`` and ``fill_rows`` of the ``SavedProjects`` port."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def columns(
        self, tenant_id: UUID, user_id: UUID, saved_project_id: UUID
    ) -> list[SlotColumn] | None:
        """Return the project's slots as columns."""
        project = await project_of(self._context.db.reads, tenant_id, user_id, saved_project_id)
        return None if project is None else columns_of(project)

    async def fill_rows(
        self,
        tenant_id: UUID,
        user_id: UUID,
        saved_project_id: UUID,
        rows: Sequence[Mapping[str, object]],
    ) -> FilledRows | None:
        """Check every cell and return what each row changes."""
        project = await project_of(self._context.db.reads, tenant_id, user_id, saved_project_id)
        if project is None:
            return None
        meant, errors = _meanings(project, rows)
        images = {name for name, slots in meant.items() if _is_image(slots[0][1])}
        ids = {found for row in rows for name in images if (found := _file_id(row.get(name)))}
        files = await self._context.port(FileStore).resolve(tenant_id, user_id, sorted(ids))
        composition, _ = compose(project, complete=False)
        filled: list[RowFilling] = []
        left = MAX_ERRORS - len(errors)
        for index, row in enumerate(rows):
            one = _fill(project, meant, row, files, f"/rows/{index}")
            filled.append(one)
            left -= len(one.errors)
            if left <= 0:
                break
        return FilledRows(
            source=await freeze(self._context, tenant_id, project, composition),
            rows=filled,
            errors=errors,
        )


_Slot = tuple[Scene, Content]


def _names(project: Project) -> dict[str, list[_Slot]]:
    """Return every name that a column may have, and the slots it fills.

    ``slot`` fills that slot in every scene that has it, ``scene.slot`` in the scenes of that key,
    ``scene#2.slot`` in the second of them.
    """
    names: dict[str, list[_Slot]] = {}
    seen: Counter[str] = Counter()
    for scene in sorted(project.scenes, key=lambda s: s.position):
        seen[scene.key] += 1
        for content in scene.contents:
            for name in (
                content.key,
                f"{scene.key}.{content.key}",
                f"{scene.key}#{seen[scene.key]}.{content.key}",
            ):
                names.setdefault(name, []).append((scene, content))
    return names


def columns_of(project: Project) -> list[SlotColumn]:
    """Return one column for each slot, named as briefly as is clear."""
    names = _names(project)
    found = []
    seen: Counter[str] = Counter()
    for scene in sorted(project.scenes, key=lambda s: s.position):
        seen[scene.key] += 1
        for content in scene.contents:
            exact = f"{scene.key}#{seen[scene.key]}.{content.key}"
            name = next(
                n for n in (content.key, f"{scene.key}.{content.key}", exact) if len(names[n]) == 1
            )
            found.append(
                SlotColumn(
                    name=name,
                    scene_id=scene.id,
                    scene_name_fa=scene.name_fa,
                    scene_name_en=scene.name_en,
                    key=content.key,
                    type=content.type,
                    name_fa=content.name_fa,
                    name_en=content.name_en,
                    required=content.required,
                    value=_shown(content),
                )
            )
    return found


def _shown(content: Content) -> str:
    """Return a value as a cell would hold it."""
    value = content.value if content.value is not None else content.default
    if value is None or (content.type == "image" and not isinstance(value, Mapping)):
        return ""
    if isinstance(value, Mapping):
        return str(value.get("file_id") or "")
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def _meanings(
    project: Project, rows: Sequence[Mapping[str, object]]
) -> tuple[dict[str, list[_Slot]], list[FieldError]]:
    names = _names(project)
    asked = list(dict.fromkeys(name for row in rows for name in row))
    meant: dict[str, list[_Slot]] = {}
    errors: list[FieldError] = []
    taken: dict[tuple[UUID, str], str] = {}
    for name in asked:
        slots = names.get(name)
        if slots is None:
            errors.append(
                _error(
                    f"/columns/{escape(name)}",
                    "unknown_column",
                    f"ستون «{name}» در این پروژه نیست",
                    f"The project has no slot for the column “{name}”",
                )
            )
            continue
        meant[name] = slots
        for scene, content in slots:
            other = taken.setdefault((scene.id, content.key), name)
            if other != name:
                errors.append(
                    _error(
                        f"/columns/{escape(name)}",
                        "column_twice",
                        f"این ستون همان را پر می‌کند که «{other}»",
                        f"It fills the same slot as “{other}”",
                    )
                )
                break
    return meant, errors[:MAX_ERRORS]


def _fill(
    project: Project,
    meant: Mapping[str, list[_Slot]],
    row: Mapping[str, object],
    files: Mapping[UUID, FileRef],
    pointer: str,
) -> RowFilling:
    """Lay one row over the project and check the scenes as a render would."""
    given: dict[UUID, dict[str, tuple[str, Any]]] = {}
    errors: list[FieldError] = []
    for name, slots in meant.items():
        raw = row.get(name)
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            continue
        for scene, content in slots:
            value = _cell(content, raw, files, f"{pointer}/{escape(name)}")
            if isinstance(value, FieldError):
                errors.append(value)
                break
            given.setdefault(scene.id, {})[content.key] = (name, value)
    values: dict[str, dict[str, SlotValue]] = {}
    told: set[tuple[str, str]] = set()
    for scene in project.scenes:
        own = given.get(scene.id, {})
        contents = [
            msgspec.structs.replace(c, value=own[c.key][1]) if c.key in own else c
            for c in scene.contents
        ]
        filled = msgspec.structs.replace(scene, contents=contents)
        checked, found = scene_values(filled, "", complete=True)
        for error in found:
            key = error.pointer.removeprefix("/").split("/", 1)[0]
            column = own[key][0] if key in own else _column_for(meant, scene, key)
            if (column, error.code) in told or any(
                e.pointer == f"{pointer}/{escape(column)}" for e in errors
            ):
                continue
            told.add((column, error.code))
            errors.append(msgspec.structs.replace(error, pointer=f"{pointer}/{escape(column)}"))
        if own:
            values[str(scene.id)] = {k: checked[k] for k in own if k in checked}
    return RowFilling(values=values, errors=errors)


def _column_for(meant: Mapping[str, list[_Slot]], scene: Scene, key: str) -> str:
    for name, slots in meant.items():
        if any(s.id == scene.id and c.key == key for s, c in slots):
            return name
    return f"{scene.key}.{key}"


def _cell(
    content: Content, raw: object, files: Mapping[UUID, FileRef], pointer: str
) -> Any | FieldError:
    """Return a cell as a project stores it."""
    slot = content.slot
    if isinstance(slot, ImageSlot):
        wanted = raw if isinstance(raw, Mapping) else {"file_id": str(raw).strip()}
        found = picture_of(wanted, files, pointer)
        return found if isinstance(found, FieldError) else found[0]
    if isinstance(slot, TextSlot):
        return raw if isinstance(raw, str) else _plain(raw)
    if not isinstance(raw, str):
        return raw
    text = raw.strip().translate(_DIGITS)
    if isinstance(slot, NumberSlot):
        return float(text.replace(",", "")) if _NUMBER.fullmatch(text) else raw
    if text.startswith("["):  # a gradient's stops
        try:
            return json.loads(text)
        except ValueError:
            return raw
    return text


def _plain(raw: object) -> object:
    """Numbers in text columns of JSON tables are their digits; other things are refused later."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        return raw
    return str(int(raw)) if float(raw).is_integer() else str(raw)


def _is_image(content: Content) -> bool:
    return content.type == "image"


def _file_id(raw: object) -> UUID | None:
    value = raw.get("file_id") if isinstance(raw, Mapping) else raw
    try:
        return UUID(str(value).strip())
    except ValueError:
        return None


def _error(pointer: str, code: str, fa: str, en: str) -> FieldError:
    return FieldError(pointer=pointer, code=code, message_fa=fa, message_en=en)
