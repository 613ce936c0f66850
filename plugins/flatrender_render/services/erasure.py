"""What is here of a person: their videos and what those were made of. It goes with the account,
and its list into a copy of their data.

Jobs stay as the farm's history, without a name; the sweep of ended exports takes the objects.
"""

from flatrender.privacy import forgets, gives_copy

_ERASE = (
    "UPDATE render.exports SET expires_at = now(), name = '' "
    "WHERE tenant_id = :tenant AND user_id = :user AND deleted_at IS NULL",
    # What a video was made of is the person's words and pictures.
    "UPDATE render.render_jobs SET project_name = '', "
    "composition = CASE WHEN finished_at IS NULL THEN composition ELSE '{}' END "
    "WHERE tenant_id = :tenant AND user_id = :user",
    "UPDATE render.batches SET name = '', source_object_key = NULL "
    "WHERE tenant_id = :tenant AND user_id = :user",
)

_SECTIONS = {
    "renders": "SELECT id, project_name, resolution, aspect, duration, step, submitted_at, "
    "finished_at FROM render.render_jobs WHERE tenant_id = :tenant AND user_id = :user "
    "ORDER BY submitted_at",
    "videos": "SELECT id, name, format, resolution, duration, size_bytes, created_at, expires_at "
    "FROM render.exports WHERE tenant_id = :tenant AND user_id = :user AND deleted_at IS NULL "
    "ORDER BY created_at",
}

SUBSCRIPTIONS = (forgets(*_ERASE), gives_copy(_SECTIONS))
