"""Filling a project: texts, pictures, numbers, gradients, colours. Whatever is refused is named
slot by slot, and nothing of a refused edit is kept."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from flatrender.contracts.files import FileRef, FileStore
from flatrender.errors import FieldError, Invalid
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender.template.composition import ImageRef
from flatrender.template.decode import escape
from flatrender.template.manifest import ImageSlot
from flatrender.template.values import check_colors, check_value
from flatrender_studio.domain import Project, Scene, image_ids, missing_file
from flatrender_studio.services.editing import editing, own_id

_FILL = """
UPDATE studio.saved_scene_contents c SET value = r.value, file_id = r.file_id
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(scene uuid, key text, value jsonb, file_id uuid)
WHERE c.tenant_id = :tenant AND c.saved_project_id = :project AND c.saved_scene_id = r.scene
  AND c.key = r.key
"""
_COLOR = """
UPDATE studio.saved_shared_colors k SET value = coalesce(r.value, k.default_value)
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(key text, value text)
WHERE k.tenant_id = :tenant AND k.saved_project_id = :project AND k.element_key = r.key
"""


class FillingService:
    """Use cases of values and colours."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def fill(
        self,
        principal: Principal,
        project_id: UUID,
        if_match: str | None,
        contents: Mapping[str, Mapping[str, object]],
    ) -> None:
        """Set values by scene id and slot key; null goes back to the template's own.

        Raises ``Invalid`` with a pointer ``/scenes/<id>/<key>`` for every refused value.
        """
        async with editing(self._context, principal, project_id, if_match) as (work, project):
            scenes = {str(scene.id): scene for scene in project.scenes}
            files = await self._context.port(FileStore).resolve(
                principal.tenant_id, own_id(principal), sorted(image_ids(contents, scenes))
            )
            rows, errors = _check(contents, scenes, files)
            if errors:
                raise Invalid(errors=errors)
            await work.execute(
                _FILL,
                rows=msgspec.json.encode(rows).decode(),
                tenant=principal.tenant_id,
                project=project_id,
            )

    async def color(
        self,
        principal: Principal,
        project_id: UUID,
        if_match: str | None,
        *,
        colors: Mapping[str, object] | None,
        preset: str | None,
    ) -> None:
        """Set shared colours one by one, or all by a palette of the template."""
        async with editing(self._context, principal, project_id, if_match) as (work, project):
            chosen = _preset(project, preset) if preset is not None else dict(colors or {})
            good, errors = check_colors(
                [color.element_key for color in project.colors], chosen, "/colors"
            )
            if errors:
                raise Invalid(errors=errors)
            rows = [{"key": key, "value": good.get(key)} for key in chosen]
            await work.execute(
                _COLOR,
                rows=msgspec.json.encode(rows).decode(),
                tenant=principal.tenant_id,
                project=project_id,
            )
            await work.execute(
                "UPDATE studio.saved_projects SET preset_key = :preset "
                "WHERE tenant_id = :tenant AND id = :id",
                preset=preset,
                tenant=principal.tenant_id,
                id=project_id,
            )


def _check(
    contents: Mapping[str, Mapping[str, object]],
    scenes: Mapping[str, Scene],
    files: Mapping[UUID, FileRef],
) -> tuple[list[dict[str, Any]], list[FieldError]]:
    rows: list[dict[str, Any]] = []
    errors: list[FieldError] = []
    for scene_id, values in contents.items():
        scene = scenes.get(scene_id)
        if scene is None:
            errors.append(_unknown(f"/scenes/{escape(scene_id)}", "unknown_scene"))
            continue
        slots = {content.key: content.slot for content in scene.contents}
        for key, raw in values.items():
            pointer = f"/scenes/{scene_id}/{escape(key)}"
            slot = slots.get(key)
            if slot is None:
                errors.append(_unknown(pointer, "unknown_slot"))
                continue
            value: Any = None
            file_id: UUID | None = None
            if raw is not None and isinstance(slot, ImageSlot):
                picture = picture_of(raw, files, pointer)
                if isinstance(picture, FieldError):
                    errors.append(picture)
                    continue
                value, file_id, size = picture
                checked = check_value(slot, _ref(value), pointer, size)
                if isinstance(checked, FieldError):
                    errors.append(checked)
                    continue
            elif raw is not None:
                found = check_value(slot, raw, pointer)
                if isinstance(found, FieldError):
                    errors.append(found)
                    continue
                value = msgspec.to_builtins(found)
            rows.append({"scene": scene_id, "key": key, "value": value, "file_id": file_id})
    return rows, errors


def picture_of(
    raw: object, files: Mapping[UUID, FileRef], pointer: str
) -> tuple[dict[str, Any], UUID, tuple[int, int]] | FieldError:
    """Turn ``{file_id, focus_x, ...}`` into what is stored, or say why not."""
    if not isinstance(raw, Mapping):
        return missing_file(pointer)
    try:
        file_id = UUID(str(raw.get("file_id")))
    except ValueError:
        return missing_file(pointer)
    found = files.get(file_id)
    if found is None or not found.content_type.startswith("image/") or not found.width:
        return missing_file(pointer)
    stored: dict[str, Any] = {
        "file_id": str(file_id),
        "sha256": found.sha256,
        "object_key": found.object_key,
        "content_type": found.content_type,
        "width": found.width,
        "height": found.height,
        **{k: raw[k] for k in ("focus_x", "focus_y", "zoom") if raw.get(k) is not None},
    }
    try:
        _ref(stored)
    except msgspec.ValidationError as error:
        return FieldError(
            pointer=pointer,
            code="image_invalid",
            message_fa="قاب‌بندی تصویر درست نیست",
            message_en=str(error),
        )
    return stored, file_id, (found.width or 0, found.height or 0)


def _ref(stored: Mapping[str, Any]) -> ImageRef:
    fields = ("sha256", "object_key", "content_type", "focus_x", "focus_y", "zoom")
    return msgspec.convert({k: stored[k] for k in fields if k in stored}, ImageRef)


def _preset(project: Project, key: str) -> dict[str, object]:
    for known in project.presets:
        if known.get("key") == key:
            return dict(known.get("colors") or {})
    raise Invalid(errors=[_unknown("/preset", "unknown_preset")])


def _unknown(pointer: str, code: str) -> FieldError:
    return FieldError(
        pointer=pointer,
        code=code,
        message_fa="در این پروژه نیست",
        message_en="Not in this project",
    )
