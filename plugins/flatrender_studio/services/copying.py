"""Writing scenes: from a template's graph or from a scene that is there. Set-based, one
statement a table."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from flatrender.clock import uuid7
from flatrender.contracts.content import GraphScene
from flatrender.db import UnitOfWork
from flatrender_studio.domain import Scene

_SCENES = """
INSERT INTO studio.saved_scenes (id, tenant_id, saved_project_id, source_scene_id, key, name_fa,
    name_en, title, animation, position, duration, default_duration, min_duration, max_duration,
    intro, outro, transition, sounds, repeatable, removable, max_repeats)
SELECT r.id, :tenant, :project, r.source_scene_id, r.key, r.name_fa, r.name_en, r.title,
    r.animation, r.position, r.duration, r.default_duration, r.min_duration, r.max_duration,
    r.intro, r.outro, r.transition, r.sounds, r.repeatable, r.removable, r.max_repeats
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, source_scene_id uuid, key text,
    name_fa text, name_en text, title text, animation text, position int, duration float8,
    default_duration float8, min_duration float8, max_duration float8, intro float8, outro float8,
    transition jsonb, sounds jsonb, repeatable boolean, removable boolean, max_repeats int)
"""
_CONTENTS = """
INSERT INTO studio.saved_scene_contents (id, tenant_id, saved_project_id, saved_scene_id, key,
    type, name_fa, name_en, required, group_key, value, default_value, limits, file_id, position)
SELECT r.id, :tenant, :project, r.scene, r.key, r.type, r.name_fa, r.name_en, r.required,
    r.group_key, r.value, r.default_value, r.limits, r.file_id, r.position
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, scene uuid, key text, type text,
    name_fa text, name_en text, required boolean, group_key text, value jsonb,
    default_value jsonb, limits jsonb, file_id uuid, position int)
"""
_SHIFT = """
UPDATE studio.saved_scenes SET position = position + :by
WHERE tenant_id = :tenant AND saved_project_id = :project AND position >= :at
"""

_NOT_LIMITS = ("type", "id", "name", "required", "group", "default")


async def add_graph_scenes(
    work: UnitOfWork, project_id: UUID, scenes: Sequence[tuple[int, GraphScene]]
) -> list[UUID]:
    """Add template scenes at their positions; returns the new ids in order."""
    rows: list[dict[str, Any]] = []
    contents: list[dict[str, Any]] = []
    for position, scene in scenes:
        scene_id = uuid7()
        rows.append(
            {
                "id": scene_id,
                "source_scene_id": scene.id,
                "key": scene.key,
                "name_fa": scene.name_fa,
                "name_en": scene.name_en,
                "title": None,
                "animation": scene.animation,
                "position": position,
                "duration": scene.duration,
                "default_duration": scene.duration,
                "min_duration": scene.min_duration,
                "max_duration": scene.max_duration,
                "intro": scene.intro,
                "outro": scene.outro,
                "transition": scene.transition,
                "sounds": scene.sounds,
                "repeatable": scene.repeatable,
                "removable": scene.removable,
                "max_repeats": scene.max_repeats,
            }
        )
        for number, slot in enumerate(scene.slots):
            raw: dict[str, Any] = msgspec.to_builtins(slot)
            contents.append(
                {
                    "id": uuid7(),
                    "scene": scene_id,
                    "key": slot.id,
                    "type": raw["type"],
                    "name_fa": slot.name.fa,
                    "name_en": slot.name.en,
                    "required": slot.required,
                    "group_key": slot.group,
                    "value": None,
                    "default_value": raw.get("default"),
                    "limits": {k: v for k, v in raw.items() if k not in _NOT_LIMITS},
                    "file_id": None,
                    "position": number,
                }
            )
    await _write(work, project_id, rows, contents)
    return [row["id"] for row in rows]


async def add_copy(work: UnitOfWork, project_id: UUID, scene: Scene, position: int) -> UUID:
    """Add a copy of a saved scene with all its values; returns the new id."""
    scene_id = uuid7()
    row = {
        "id": scene_id,
        "source_scene_id": None,
        "key": scene.key,
        "name_fa": scene.name_fa,
        "name_en": scene.name_en,
        "title": scene.title,
        "animation": scene.animation,
        "position": position,
        "duration": scene.duration,
        "default_duration": scene.default_duration,
        "min_duration": scene.min_duration,
        "max_duration": scene.max_duration,
        "intro": scene.intro,
        "outro": scene.outro,
        "transition": scene.transition,
        "sounds": scene.sounds,
        "repeatable": scene.repeatable,
        "removable": True,  # the copy may go; the original stays what it was
        "max_repeats": scene.max_repeats,
    }
    contents = [
        {
            "id": uuid7(),
            "scene": scene_id,
            "key": content.key,
            "type": content.type,
            "name_fa": content.name_fa,
            "name_en": content.name_en,
            "required": content.required,
            "group_key": content.group,
            "value": content.value,
            "default_value": content.default,
            "limits": content.limits,
            "file_id": content.value.get("file_id") if isinstance(content.value, dict) else None,
            "position": number,
        }
        for number, content in enumerate(scene.contents)
    ]
    await _write(work, project_id, [row], contents)
    return scene_id


async def make_room(work: UnitOfWork, project_id: UUID, at: int, by: int = 1) -> None:
    """Move scenes from position ``at`` on by ``by``; the unique positions are checked at commit."""
    await work.execute(_SHIFT, by=by, tenant=work.tenant, project=project_id, at=at)


async def _write(
    work: UnitOfWork,
    project_id: UUID,
    scenes: list[dict[str, Any]],
    contents: list[dict[str, Any]],
) -> None:
    for sql, rows in ((_SCENES, scenes), (_CONTENTS, contents)):
        if rows:
            await work.execute(
                sql,
                tenant=work.tenant,
                project=project_id,
                rows=msgspec.json.encode(rows).decode(),
            )
