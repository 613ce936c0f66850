"""Pure rules of an import: a manifest becomes rows, each named by its keys and not by ids.

Knows no database and no store. What is written where is ``services/import_sql.py``.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.template.composition import Composition, SceneInstance
from flatrender.template.manifest import Scene, Slot, TemplateManifest, Text, Variant
from flatrender.template.timing import duration_seconds

Row = dict[str, Any]

_SLOT_COLUMNS = frozenset({"type", "id", "name", "required", "group", "default"})

# What the catalogue's usual slugs are called; anything else is named by its slug until edited.
_NAMES: dict[str, tuple[str, str]] = {
    "business": ("کسب‌وکار", "Business"),
    "charts": ("نمودار", "Charts"),
    "education": ("آموزش", "Education"),
    "explainer": ("توضیحی", "Explainer"),
    "intro": ("اینترو", "Intro"),
    "logo": ("لوگو", "Logo"),
    "music": ("موسیقی", "Music"),
    "persian": ("فارسی", "Persian"),
    "photo": ("عکس", "Photo"),
    "promo": ("تبلیغاتی", "Promo"),
    "shop": ("فروشگاه", "Shop"),
    "slideshow": ("اسلایدشو", "Slideshow"),
    "social": ("شبکه‌های اجتماعی", "Social media"),
    "story": ("استوری", "Story"),
    "vertical": ("عمودی", "Vertical"),
}


class ImportRows(Struct, frozen=True, kw_only=True):
    """Rows of the tables below a template. ``aspect``, ``scene`` name the parents."""

    projects: list[Row]
    scenes: list[Row]
    contents: list[Row]
    colors: list[Row]
    color_elements: list[Row]
    presets: list[Row]


def names_of(slug: str) -> Text:
    """Return what to call a category or tag that an import brings."""
    title = slug.replace("-", " ").capitalize()
    fa, en = _NAMES.get(slug, (title, title))
    return Text(fa=fa, en=en)


def taxonomy_row(slug: str) -> Row:
    """Return the row of a category or tag that does not exist yet."""
    name = names_of(slug)
    return {"id": uuid7(), "slug": slug, "name_fa": name.fa, "name_en": name.en}


def running_time(variant: Variant, direction: str) -> float:
    """Return the seconds of the default running order, overlaps taken off."""
    scenes = [s for s in variant.scenes if s.in_default] or variant.scenes
    seconds = duration_seconds(
        Composition(
            width=variant.width,
            height=variant.height,
            fps=variant.fps,
            aspect=variant.aspect,
            direction="ltr" if direction == "ltr" else "rtl",
            scenes=[
                SceneInstance(
                    id=scene.key,
                    scene_key=scene.key,
                    animation=scene.animation,
                    duration=scene.duration,
                    transition=scene.transition,
                )
                for scene in scenes
            ],
        )
    )
    return round(seconds, 6)  # sums of tenths leave a tail that nobody wants to read


def rows_of(manifest: TemplateManifest, used_colors: Mapping[str, frozenset[str]]) -> ImportRows:
    """Return every row of a template. ``used_colors``: the shared colours of each animation."""
    projects: list[Row] = []
    scenes: list[Row] = []
    contents: list[Row] = []
    colors: list[Row] = []
    elements: list[Row] = []
    for place, variant in enumerate(manifest.variants):
        projects.append(_project_row(variant, place, manifest.direction))
        for at, shared in enumerate(manifest.shared_colors):
            row = {"element_key": shared.key, "default_value": shared.default}
            colors.append(
                _row(variant, at) | {"name_fa": shared.name.fa, "name_en": shared.name.en} | row
            )
        for at, scene in enumerate(variant.scenes):
            scenes.append(_row(variant, at) | _scene_row(scene))
            parent = {"scene": scene.key}
            contents += [
                _row(variant, n) | parent | _slot_row(slot) for n, slot in enumerate(scene.slots)
            ]
            used = used_colors.get(scene.animation, frozenset())
            elements += [
                _row(variant, n) | parent | {"element_key": shared.key}
                for n, shared in enumerate(manifest.shared_colors)
                if shared.key in used
            ]
    presets = [
        {
            "id": uuid7(),
            "key": preset.key,
            "name_fa": preset.name.fa,
            "name_en": preset.name.en,
            "colors": preset.colors,
            "position": at,
        }
        for at, preset in enumerate(manifest.presets)
    ]
    return ImportRows(
        projects=projects,
        scenes=scenes,
        contents=contents,
        colors=colors,
        color_elements=elements,
        presets=presets,
    )


def limits_of(slot: Slot) -> Row:
    """Return a slot's own rules: all of it but what has columns of its own."""
    whole: Row = msgspec.to_builtins(slot)
    return {name: value for name, value in whole.items() if name not in _SLOT_COLUMNS}


def slot_of(row: Mapping[str, Any]) -> Slot:
    """Return the manifest's slot again from its row (``limits_of`` backwards).

    Raises ``msgspec.ValidationError`` for a row that is no slot.
    """
    whole = dict(row["limits"]) | {
        "type": row["type"],
        "id": row["key"],
        "name": {"fa": row["name_fa"], "en": row["name_en"]},
        "required": row["required"],
        "group": row["group_key"],
        "default": row["default_value"],
    }
    slot: Slot = msgspec.convert(whole, Slot)
    return slot


def _row(variant: Variant, position: int) -> Row:
    new: UUID = uuid7()
    return {"id": new, "aspect": variant.aspect, "position": position}


def _project_row(variant: Variant, position: int, direction: str) -> Row:
    return _row(variant, position) | {
        "width": variant.width,
        "height": variant.height,
        "fps": variant.fps,
        "duration": running_time(variant, direction),
        "scene_count": len(variant.scenes),
    }


def _scene_row(scene: Scene) -> Row:
    return {
        "key": scene.key,
        "name_fa": scene.name.fa,
        "name_en": scene.name.en,
        "animation": scene.animation,
        "duration": scene.duration,
        "min_duration": scene.min_duration or scene.duration,
        "max_duration": scene.max_duration or scene.duration,
        "intro": scene.intro,
        "outro": scene.outro,
        "transition": scene.transition,
        "sounds": scene.sounds,
        "in_default": scene.in_default,
        "repeatable": scene.repeatable,
        "removable": scene.removable,
        "max_repeats": scene.max_repeats,
    }


def _slot_row(slot: Slot) -> Row:
    return {
        "key": slot.id,
        "type": slot.__struct_config__.tag,
        "name_fa": slot.name.fa,
        "name_en": slot.name.en,
        "required": slot.required,
        "group_key": slot.group,
        "default_value": msgspec.to_builtins(slot.default),
        "limits": limits_of(slot),
    }
