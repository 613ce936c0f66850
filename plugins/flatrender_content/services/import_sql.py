"""The SQL of an import: one statement a table, whatever the number of rows.

Rows come as one jsonb array named by keys; parents are found by joins. A statement brings back
what was deleted, leaves columns that an admin edited by hand (``manual_fields``) and retires what
the new package no longer has. Owns no transaction.
"""

from collections.abc import Mapping, Sequence

_DURATIONS = ("duration", "min_duration", "max_duration")

LOCK = """
SELECT pg_advisory_xact_lock(
  hashtextextended('content.import:' || CAST(CAST(:tenant AS uuid) AS text), 0))
"""

SAME_PACKAGE = """
SELECT id, slug, package_version, published_at IS NOT NULL FROM content.project_containers
WHERE tenant_id = $1 AND package_sha256 = $2 AND deleted_at IS NULL
"""

SAME_AGAIN = SAME_PACKAGE.replace("$1", ":tenant").replace("$2", ":sha256")

# A shared category or tag of the default tenant is used as it is; own ones come first.
TAXONOMY = """
WITH wanted AS (
  SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb))
    AS r(id uuid, slug text, name_fa text, name_en text)
), made AS (
  INSERT INTO content.{table} (id, tenant_id, slug, name_fa, name_en)
  SELECT w.id, :tenant, w.slug, w.name_fa, w.name_en FROM wanted w
  WHERE NOT EXISTS (SELECT FROM content.{table} c
                    WHERE lower(c.slug) = lower(w.slug) AND c.deleted_at IS NULL)
  ON CONFLICT DO NOTHING
  RETURNING id, slug
)
SELECT slug, id FROM made
UNION ALL
SELECT DISTINCT ON (w.slug) w.slug, c.id FROM wanted w
JOIN content.{table} c ON lower(c.slug) = lower(w.slug) AND c.deleted_at IS NULL
ORDER BY slug
"""
CATEGORIES = TAXONOMY.format(table="categories")
TAGS = TAXONOMY.format(table="tags")

MUSIC = """
WITH wanted AS (
  SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb))
    AS r(id uuid, key text, title_fa text, title_en text, artist text, object_key text,
         sha256 text, content_type text, size_bytes bigint, duration double precision,
         bpm double precision)
), made AS (
  INSERT INTO content.music_tracks (id, tenant_id, key, title_fa, title_en, artist, object_key,
         sha256, content_type, size_bytes, duration, bpm, source, created_by)
  SELECT w.id, :tenant, w.key, w.title_fa, w.title_en, w.artist, w.object_key, w.sha256,
         w.content_type, w.size_bytes, w.duration, w.bpm, 'Package', :by
  FROM wanted w
  ON CONFLICT (tenant_id, sha256) WHERE deleted_at IS NULL DO NOTHING
  RETURNING id, sha256
)
SELECT w.key, made.id FROM wanted w JOIN made USING (sha256)
UNION ALL
SELECT w.key, m.id FROM wanted w
JOIN content.music_tracks m ON m.tenant_id = :tenant AND m.sha256 = w.sha256
 AND m.deleted_at IS NULL
"""

# The library holds the newest file of a face; what people uploaded themselves is theirs.
FONTS = """
INSERT INTO content.fonts AS f (id, tenant_id, family, style, weight, format, scripts, object_key,
       sha256, size_bytes, source, created_by)
SELECT r.id, :tenant, r.family, r.style, r.weight, r.format, r.scripts, r.object_key, r.sha256,
       r.size_bytes, 'Package', :by
FROM jsonb_to_recordset(CAST(:rows AS jsonb))
  AS r(id uuid, family text, style text, weight int, format text, scripts text[], object_key text,
       sha256 text, size_bytes bigint)
ON CONFLICT (tenant_id, lower(family), lower(style)) WHERE deleted_at IS NULL DO UPDATE
SET weight = excluded.weight, format = excluded.format, scripts = excluded.scripts,
    object_key = excluded.object_key, sha256 = excluded.sha256, size_bytes = excluded.size_bytes
WHERE f.source = 'Package' AND f.sha256 <> excluded.sha256
RETURNING f.id, f.family, f.style, f.object_key, f.sha256
"""

VERSION = """
INSERT INTO content.container_versions (id, tenant_id, container_id, version, engine,
       package_object_key, package_sha256, package_size, manifest, report, imported_by)
VALUES (:id, :tenant, :container, :version, :engine, :object_key, :sha256, :size,
        CAST(:manifest AS jsonb), CAST(:report AS jsonb), :by)
ON CONFLICT (container_id, package_sha256) DO NOTHING
"""
CURRENT = """
UPDATE content.project_containers SET current_version_id = (
  SELECT id FROM content.container_versions
  WHERE tenant_id = :tenant AND container_id = :container AND package_sha256 = :sha256)
WHERE tenant_id = :tenant AND id = :container
RETURNING current_version_id
"""

_CONTAINER = {
    "name_fa": "text",
    "name_en": "text",
    "description_fa": "text",
    "description_en": "text",
    "keywords": "text[]",
    "category_id": "uuid",
    "tag_ids": "uuid[]",
    "mode": "text",
    "direction": "text",
    "engine": "text",
    "duration": "double precision",
    "scene_count": "int",
    "package_object_key": "text",
    "package_sha256": "text",
    "package_version": "text",
    "package_size": "bigint",
    "manifest": "jsonb",
    "audio": "jsonb",
    "default_music_id": "uuid",
    "author": "text",
    "import_report": "jsonb",
}


def _assignments(columns: Sequence[str], *, guarded: bool) -> str:
    """Return the SET list of an upsert; ``guarded`` columns stay when edited by hand."""
    if not guarded:
        return ", ".join(f"{c} = excluded.{c}" for c in columns)
    parts = []
    for column in columns:
        # Durations are edited together: one of them alone could contradict the package's others.
        together = _DURATIONS if column in _DURATIONS else (column,)
        names = ", ".join(f"'{name}'" for name in together)
        parts.append(
            f"{column} = CASE WHEN t.manual_fields && ARRAY[{names}] "
            f"THEN t.{column} ELSE excluded.{column} END"
        )
    return ", ".join(parts)


def _container() -> str:
    names = ", ".join(_CONTAINER)
    types = ", ".join(f"{name} {kind}" for name, kind in _CONTAINER.items())
    return f"""
INSERT INTO content.project_containers AS t (id, tenant_id, slug, created_by, {names})
SELECT r.id, :tenant, r.slug, :by, {", ".join(f"r.{name}" for name in _CONTAINER)}
FROM jsonb_to_record(CAST(:row AS jsonb)) AS r(id uuid, slug text, {types})
ON CONFLICT (tenant_id, slug_key) WHERE deleted_at IS NULL DO UPDATE
SET {_assignments(list(_CONTAINER), guarded=True)}
RETURNING t.id, (xmax = 0) AS created
"""  # noqa: S608 - names are the constants above


def upsert(
    table: str,
    columns: Mapping[str, str],
    *,
    unique: str,
    parents: Sequence[str] = (),
    guarded: bool = True,
    soft: bool = True,
    retire: bool = True,
) -> str:
    """Return the statement that makes a table below a container what the package says.

    ``parents`` are the key columns that lead there: ``aspect``, ``scene``. Without ``retire`` rows
    that are not named stay as they are.
    """
    typed = {"id": "uuid", **dict.fromkeys(parents, "text"), **columns, "position": "int"}
    stored = [*columns, "position"]
    own = ["project_id"] if parents else []
    own += ["scene_id"] if "scene" in parents else []
    sources = [{"project_id": "p.id", "scene_id": "s.id"}[name] for name in own]
    joins = ""
    if parents:
        joins += (
            "JOIN content.projects p ON p.tenant_id = :tenant AND p.container_id = :container "
            "AND p.aspect = r.aspect\n"
        )
    if "scene" in parents:
        joins += "JOIN content.scenes s ON s.project_id = p.id AND s.key = r.scene\n"
    update = _assignments(stored, guarded=guarded)
    if soft:
        update += ", " + (
            "deleted_at = CASE WHEN 'deleted_at' = ANY (t.manual_fields) "
            "THEN t.deleted_at ELSE NULL END"
            if guarded
            else "deleted_at = NULL"
        )
    written = f"""
  INSERT INTO content.{table} AS t ({", ".join(["id", "tenant_id", "container_id", *own, *stored])})
  SELECT {", ".join(["r.id", ":tenant", ":container", *sources, *(f"r.{c}" for c in stored)])}
  FROM jsonb_to_recordset(CAST(:rows AS jsonb))
    AS r({", ".join(f"{name} {kind}" for name, kind in typed.items())})
  {joins}
  ON CONFLICT ({unique}) DO UPDATE SET {update}
"""  # noqa: S608 - names are constants of this module
    if not retire:
        return written
    gone = "UPDATE content.{} SET deleted_at = now()" if soft else "DELETE FROM content.{}"
    alive = "AND deleted_at IS NULL " if soft else ""
    return f"""
WITH kept AS ({written} RETURNING t.id)
{gone.format(table)} WHERE tenant_id = :tenant AND container_id = :container {alive}
AND id NOT IN (SELECT id FROM kept)
"""  # noqa: S608 - names are constants of this module


#: What packages and scans both say of scenes, their contents and shared colours.
SCENE_COLUMNS = {
    "key": "text",
    "name_fa": "text",
    "name_en": "text",
    "animation": "text",
    "duration": "double precision",
    "min_duration": "double precision",
    "max_duration": "double precision",
    "in_default": "boolean",
    "repeatable": "boolean",
    "removable": "boolean",
}
CONTENT_COLUMNS = {
    "key": "text",
    "type": "text",
    "name_fa": "text",
    "name_en": "text",
    "default_value": "jsonb",
    "limits": "jsonb",
}
COLOR_COLUMNS = {
    "element_key": "text",
    "name_fa": "text",
    "name_en": "text",
    "default_value": "text",
}

CONTAINER = _container()
PROJECTS = upsert(
    "projects",
    {
        "aspect": "text",
        "width": "int",
        "height": "int",
        "fps": "int",
        "duration": "double precision",
        "scene_count": "int",
    },
    unique="container_id, aspect",
)
SCENES = upsert(
    "scenes",
    {
        **SCENE_COLUMNS,
        "intro": "double precision",
        "outro": "double precision",
        "transition": "jsonb",
        "sounds": "jsonb",
        "max_repeats": "int",
    },
    unique="project_id, key",
    parents=("aspect",),
)
CONTENTS = upsert(
    "scene_contents",
    {**CONTENT_COLUMNS, "required": "boolean", "group_key": "text"},
    unique="scene_id, key",
    parents=("aspect", "scene"),
)
COLORS = upsert(
    "shared_colors", COLOR_COLUMNS, unique="project_id, element_key", parents=("aspect",)
)
COLOR_ELEMENTS = upsert(
    "scene_color_elements",
    {"element_key": "text"},
    unique="scene_id, element_key",
    parents=("aspect", "scene"),
    guarded=False,
    soft=False,
)
PRESETS = upsert(
    "color_presets",
    {"key": "text", "name_fa": "text", "name_en": "text", "colors": "jsonb"},
    unique="container_id, project_id, key",
    guarded=False,
)
