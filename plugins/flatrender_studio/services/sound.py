"""The sound of a project: music, voice-over, effects, each with its own volume."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from flatrender.clock import uuid7
from flatrender.contracts.content import TemplateCatalogue
from flatrender.contracts.files import FileRef, FileStore
from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, Invalid
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_studio.domain import missing_file
from flatrender_studio.schemas import AudioBody, MusicChoice, SoundChoice, VoiceChoice
from flatrender_studio.services.editing import editing, own_id

_VOLUMES = """
UPDATE studio.saved_projects SET music_volume = coalesce(:music, music_volume),
    sfx_volume = coalesce(:sfx, sfx_volume), voiceover_volume = coalesce(:voice, voiceover_volume),
    sfx_enabled = coalesce(:enabled, sfx_enabled)
WHERE tenant_id = :tenant AND id = :id
"""
_MUSIC = """
UPDATE studio.saved_projects SET music_source = :source, music_id = :music_id,
    music_file_id = :file_id, music_title = :title, music_object_key = :key, music_sha256 = :sha,
    music_duration = :duration, music_start = :start, music_trim_start = :trim_start,
    music_trim_end = :trim_end, music_fade_in = coalesce(:fade_in, music_fade_in),
    music_fade_out = coalesce(:fade_out, music_fade_out), music_loop = :loop
WHERE tenant_id = :tenant AND id = :id
"""
_VOICE = """
UPDATE studio.saved_projects SET voiceover_file_id = :file_id, voiceover_name = :name,
    voiceover_object_key = :key, voiceover_sha256 = :sha, voiceover_duration = :duration,
    voiceover_start = :start, voiceover_trim_start = :trim_start, voiceover_trim_end = :trim_end,
    voiceover_fade_in = :fade_in, voiceover_fade_out = :fade_out
WHERE tenant_id = :tenant AND id = :id
"""
_SOUNDS = """
INSERT INTO studio.saved_audio (id, tenant_id, saved_project_id, role, source, file_id, object_key,
    sha256, name, source_duration, start, duration, trim_start, volume, fade_in, fade_out, loop,
    position)
SELECT r.id, :tenant, :project, 'sfx', 'file', r.file_id, r.object_key, r.sha256, r.name,
    r.source_duration, r.start, r.duration, r.trim_start, r.volume, r.fade_in, r.fade_out, r.loop,
    r.position
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, file_id uuid, object_key text,
    sha256 text, name text, source_duration float8, start float8, duration float8,
    trim_start float8, volume float8, fade_in float8, fade_out float8, loop boolean, position int)
"""


class SoundService:
    """Use cases of a project's sound."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def change(
        self, principal: Principal, project_id: UUID, if_match: str | None, body: AudioBody
    ) -> None:
        """Change what the body names; absent parts stay, null removes.

        Raises ``Invalid`` with a pointer for a file or track that is not there.
        """
        if errors := _impossible(body):
            raise Invalid(errors=errors)
        async with editing(self._context, principal, project_id, if_match) as (work, _project):
            files = await self._context.port(FileStore).resolve(
                principal.tenant_id, own_id(principal), sorted(_file_ids(body))
            )
            await work.execute(
                _VOLUMES,
                music=_or_none(body.music_volume),
                sfx=_or_none(body.sfx_volume),
                voice=_or_none(body.voiceover_volume),
                enabled=_or_none(body.sfx_enabled),
                tenant=principal.tenant_id,
                id=project_id,
            )
            if body.music is not UNSET:
                await self._music(work, project_id, body.music, files)
            if body.voiceover is not UNSET:
                await self._voice(work, project_id, body.voiceover, files)
            if body.sfx is not UNSET:
                await self._sounds(work, project_id, body.sfx or [], files)

    async def _music(
        self,
        work: UnitOfWork,
        project_id: UUID,
        choice: MusicChoice | None,
        files: dict[UUID, FileRef],
    ) -> None:
        values: dict[str, Any] = dict.fromkeys(
            ("music_id", "file_id", "title", "key", "sha", "duration")
        )
        source = "none"
        if choice is not None and choice.music_id is not None:
            track = await self._context.port(TemplateCatalogue).music(work.tenant, choice.music_id)
            if track is None:
                raise Invalid(errors=[_missing_music()])
            source = "library"
            values |= {
                "music_id": track.id,
                "title": track.title_fa,
                "key": track.object_key,
                "sha": track.sha256,
                "duration": track.duration,
            }
        elif choice is not None:
            found = _sound_file(files, choice.file_id, "/music/file_id")
            source = "file"
            values |= {
                "file_id": found.file_id,
                "title": found.name,
                "key": found.object_key,
                "sha": found.sha256,
                "duration": found.duration,
            }
        used = choice or MusicChoice()
        await work.execute(
            _MUSIC,
            source=source,
            start=used.start,
            trim_start=used.trim_start,
            trim_end=used.trim_end,
            fade_in=used.fade_in,
            fade_out=used.fade_out,
            loop=used.loop,
            tenant=work.tenant,
            id=project_id,
            **values,
        )

    async def _voice(
        self,
        work: UnitOfWork,
        project_id: UUID,
        choice: VoiceChoice | None,
        files: dict[UUID, FileRef],
    ) -> None:
        found = _sound_file(files, choice.file_id, "/voiceover/file_id") if choice else None
        await work.execute(
            _VOICE,
            file_id=found.file_id if found else None,
            name=found.name if found else None,
            key=found.object_key if found else None,
            sha=found.sha256 if found else None,
            duration=found.duration if found else None,
            start=choice.start if choice else 0.0,
            trim_start=choice.trim_start if choice else 0.0,
            trim_end=choice.trim_end if choice else None,
            fade_in=choice.fade_in if choice else 0.0,
            fade_out=choice.fade_out if choice else 0.0,
            tenant=work.tenant,
            id=project_id,
        )

    async def _sounds(
        self,
        work: UnitOfWork,
        project_id: UUID,
        choices: list[SoundChoice],
        files: dict[UUID, FileRef],
    ) -> None:
        rows = []
        for number, choice in enumerate(choices):
            found = _sound_file(files, choice.file_id, f"/sfx/{number}/file_id")
            rows.append(
                {
                    "id": uuid7(),
                    "file_id": found.file_id,
                    "object_key": found.object_key,
                    "sha256": found.sha256,
                    "name": found.name,
                    "source_duration": found.duration,
                    "start": choice.start,
                    "duration": choice.duration,
                    "trim_start": choice.trim_start,
                    "volume": choice.volume,
                    "fade_in": choice.fade_in,
                    "fade_out": choice.fade_out,
                    "loop": choice.loop,
                    "position": number,
                }
            )
        await work.execute(
            "DELETE FROM studio.saved_audio WHERE tenant_id = :tenant "
            "AND saved_project_id = :project",
            tenant=work.tenant,
            project=project_id,
        )
        if rows:
            await work.execute(
                _SOUNDS,
                tenant=work.tenant,
                project=project_id,
                rows=msgspec.json.encode(rows).decode(),
            )


def _impossible(body: AudioBody) -> list[FieldError]:
    """Return what no file could make right: no source or two, an end before the start."""
    errors: list[FieldError] = []
    if isinstance(body.music, MusicChoice) and (
        (body.music.music_id is None) == (body.music.file_id is None)
    ):
        errors.append(
            FieldError(
                pointer="/music",
                code="music_source_invalid",
                message_fa="یا music_id یا file_id",
                message_en="Either music_id or file_id",
            )
        )
    errors.extend(
        FieldError(
            pointer=f"/{name}/trim_end",
            code="trim_invalid",
            message_fa="پایان باید پس از آغاز باشد",
            message_en="The end must lie behind the start",
        )
        for name, choice in (("music", body.music), ("voiceover", body.voiceover))
        if isinstance(choice, MusicChoice | VoiceChoice)
        and choice.trim_end is not None
        and choice.trim_end <= choice.trim_start
    )
    return errors


def _file_ids(body: AudioBody) -> set[UUID]:
    found: set[UUID] = set()
    if isinstance(body.music, MusicChoice) and body.music.file_id is not None:
        found.add(body.music.file_id)
    if isinstance(body.voiceover, VoiceChoice):
        found.add(body.voiceover.file_id)
    if isinstance(body.sfx, list):
        found |= {choice.file_id for choice in body.sfx}
    return found


def _sound_file(files: dict[UUID, FileRef], file_id: UUID | None, pointer: str) -> FileRef:
    found = files.get(file_id) if file_id is not None else None
    if found is None or not found.content_type.startswith("audio/"):
        raise Invalid(errors=[missing_file(pointer)])
    return found


def _missing_music() -> FieldError:
    return FieldError(
        pointer="/music/music_id",
        code="music_not_found",
        message_fa="چنین آهنگی نیست",
        message_en="There is no such track",
    )


def _or_none(value: Any) -> Any:
    return None if value is UNSET else value
