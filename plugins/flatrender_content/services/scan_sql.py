"""The SQL of applying a scan: the present graph in one query, then one statement a table.

Rows come as one jsonb array named by keys; columns edited by hand stay, deleted rows come back,
and what is not in the array is left alone. Owns no transaction.
"""

from flatrender_content.services.import_sql import (
    COLOR_COLUMNS,
    CONTENT_COLUMNS,
    LOCK,
    SCENE_COLUMNS,
    upsert,
)

__all__ = ["LOCK"]

CONTAINER = """
SELECT c.engine, c.mode, c.package_sha256, c.slug, c.published_at IS NOT NULL
FROM content.project_containers c
WHERE c.tenant_id = :tenant AND c.id = :container AND c.deleted_at IS NULL
"""
CONTAINER_LOCKED = CONTAINER + " FOR UPDATE"

# Paths as in aep/diff.py; deleted rows too.
_GRAPH_ROW = """
json_build_object('fields', to_jsonb({alias}) - '{{id,tenant_id,container_id,project_id,scene_id,
  created_at,updated_at,deleted_at,manual_fields,source,transition,intro,outro,snapshot_url,
  snapshot_object_key,group_key,required,max_repeats,key,element_key,poster_object_key,
  preview_object_key,source_object_key,source_sha256,scene_count,aspect}}'::text[],
  'manual', {alias}.manual_fields, 'deleted', {alias}.deleted_at IS NOT NULL)
"""
_P, _S, _X, _K = (_GRAPH_ROW.format(alias=alias).strip() for alias in "psxk")
GRAPH = f"""
WITH p AS (
  SELECT * FROM content.projects
  WHERE tenant_id = :tenant AND container_id = :container AND aspect = :aspect
), rows AS (
  SELECT 'project' AS path, 0 AS part, 0 AS at, {_P} AS row FROM p
  UNION ALL
  SELECT 'colors/' || k.element_key, 1, k.position, {_K}
  FROM content.shared_colors k JOIN p ON k.tenant_id = p.tenant_id AND k.project_id = p.id
  UNION ALL
  SELECT 'scenes/' || s.key, 2, s.position, {_S}
  FROM content.scenes s JOIN p ON s.tenant_id = p.tenant_id AND s.project_id = p.id
  UNION ALL
  SELECT 'scenes/' || s.key || '/contents/' || x.key, 3, x.position, {_X}
  FROM content.scene_contents x JOIN p ON x.tenant_id = p.tenant_id AND x.project_id = p.id
  JOIN content.scenes s ON s.id = x.scene_id
)
SELECT coalesce(json_object_agg(path, row ORDER BY part, at, path), '{{}}')::text FROM rows
"""  # noqa: S608 - constants

PROJECTS = upsert(
    "projects",
    {
        "aspect": "text",
        "width": "int",
        "height": "int",
        "fps": "int",
        "duration": "double precision",
        "final_comp": "text",
    },
    unique="container_id, aspect",
    retire=False,
)
SCENES = upsert(
    "scenes",
    {**SCENE_COLUMNS, "sounds": "jsonb", "source": "jsonb"},
    unique="project_id, key",
    parents=("aspect",),
    retire=False,
)
CONTENTS = upsert(
    "scene_contents",
    {**CONTENT_COLUMNS, "source": "jsonb"},
    unique="scene_id, key",
    parents=("aspect", "scene"),
    retire=False,
)
COLORS = upsert(
    "shared_colors",
    {**COLOR_COLUMNS, "kind": "text"},
    unique="project_id, element_key",
    parents=("aspect",),
    retire=False,
)
# Nobody edits which colours a scene uses: of the scenes written they are as the project says.
COLOR_ELEMENTS = """
WITH wanted AS (
  SELECT s.id AS scene_id, s.project_id, r.element_key, r.layers, r.position
  FROM jsonb_to_recordset(CAST(:rows AS jsonb))
    AS r(aspect text, scene text, element_key text, layers jsonb, position int)
  JOIN content.projects p ON p.tenant_id = :tenant AND p.container_id = :container
   AND p.aspect = r.aspect
  JOIN content.scenes s ON s.project_id = p.id AND s.key = r.scene
), gone AS (
  DELETE FROM content.scene_color_elements e
  USING content.projects p, content.scenes s
  WHERE p.tenant_id = :tenant AND p.container_id = :container AND p.aspect = :aspect
    AND s.project_id = p.id AND s.key = ANY (CAST(:scenes AS text[])) AND e.scene_id = s.id
    AND NOT EXISTS (SELECT FROM wanted w
                    WHERE w.scene_id = e.scene_id AND w.element_key = e.element_key)
)
INSERT INTO content.scene_color_elements AS e (id, tenant_id, container_id, project_id, scene_id,
       element_key, layers, position)
SELECT gen_random_uuid(), :tenant, :container, w.project_id, w.scene_id, w.element_key, w.layers,
       w.position
FROM wanted w
ON CONFLICT (scene_id, element_key) DO UPDATE
SET layers = excluded.layers, position = excluded.position
"""
ASSETS = """
WITH p AS (
  SELECT id FROM content.projects
  WHERE tenant_id = :tenant AND container_id = :container AND aspect = :aspect
), gone AS (
  DELETE FROM content.project_assets a USING p WHERE a.tenant_id = :tenant AND a.project_id = p.id
)
INSERT INTO content.project_assets (id, tenant_id, container_id, project_id, kind, path, name,
       width, height, duration, missing)
SELECT gen_random_uuid(), :tenant, :container, p.id, r.kind, r.path, r.name, r.width, r.height,
       r.duration, r.missing
FROM p, jsonb_to_recordset(CAST(:rows AS jsonb))
  AS r(kind text, path text, name text, width int, height int, duration double precision,
       missing boolean)
"""
REMOVE_SCENES = """
UPDATE content.scenes s SET deleted_at = now() FROM content.projects p
WHERE p.tenant_id = :tenant AND p.container_id = :container AND p.aspect = :aspect
  AND s.project_id = p.id AND s.key = ANY (CAST(:keys AS text[])) AND s.deleted_at IS NULL
"""
REMOVE_CONTENTS = """
UPDATE content.scene_contents x SET deleted_at = now()
FROM content.projects p, content.scenes s
WHERE p.tenant_id = :tenant AND p.container_id = :container AND p.aspect = :aspect
  AND s.project_id = p.id AND x.scene_id = s.id AND x.deleted_at IS NULL
  AND s.key || '/' || x.key = ANY (CAST(:keys AS text[]))
"""
REMOVE_COLORS = """
UPDATE content.shared_colors k SET deleted_at = now() FROM content.projects p
WHERE p.tenant_id = :tenant AND p.container_id = :container AND p.aspect = :aspect
  AND k.project_id = p.id AND k.element_key = ANY (CAST(:keys AS text[])) AND k.deleted_at IS NULL
"""
PACKAGE = """
UPDATE content.projects p
SET source_object_key = :key, source_sha256 = :sha256,
    scene_count = (SELECT count(*) FROM content.scenes s
                   WHERE s.project_id = p.id AND s.deleted_at IS NULL)
WHERE p.tenant_id = :tenant AND p.container_id = :container AND p.aspect = :aspect
"""
VERSION_NAME = """
SELECT '1.0.' || count(*) FROM content.container_versions
WHERE tenant_id = :tenant AND container_id = :container AND package_sha256 <> :sha256
"""
# The template's own facts are those of its first aspect.
FINISH = """
UPDATE content.project_containers c
SET engine = 'aerender', package_object_key = :key, package_sha256 = :sha256,
    package_size = :size, package_version = :version, manifest = CAST(:manifest AS jsonb),
    duration = first.duration, scene_count = first.scene_count,
    current_version_id = (SELECT v.id FROM content.container_versions v
      WHERE v.tenant_id = c.tenant_id AND v.container_id = c.id AND v.package_sha256 = :sha256)
FROM (SELECT p.duration, p.scene_count FROM content.projects p
      WHERE p.tenant_id = :tenant AND p.container_id = :container AND p.deleted_at IS NULL
      ORDER BY p.position, p.aspect LIMIT 1) AS first
WHERE c.tenant_id = :tenant AND c.id = :container
"""
