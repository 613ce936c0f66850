"""What other contexts' events do here: with an account go its saved projects, and into a copy of
its data."""

from flatrender.privacy import forgets, gives_copy

#: Scenes, contents, colours and sound hang on the project and go with it.
_ERASE = "DELETE FROM studio.saved_projects WHERE tenant_id = :tenant AND user_id = :user"

_SECTIONS = {
    "saved_projects": "SELECT id, name, template_slug, mode, aspect, duration, scene_data, "
    "music_title, voiceover_name, created_at, last_edited_at, deleted_at "
    "FROM studio.saved_projects WHERE tenant_id = :tenant AND user_id = :user ORDER BY created_at",
    "contents": "SELECT c.* FROM studio.saved_scene_contents c JOIN studio.saved_projects p "
    "ON p.tenant_id = c.tenant_id AND p.id = c.saved_project_id "
    "WHERE p.tenant_id = :tenant AND p.user_id = :user",
}

SUBSCRIPTIONS = (forgets(_ERASE), gives_copy(_SECTIONS))
