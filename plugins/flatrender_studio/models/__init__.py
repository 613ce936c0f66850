"""Mapped tables of the studio schema. The database is the truth; a contract test compares."""

from flatrender_studio.models.base import Base
from flatrender_studio.models.plumbing import DeadLetter, IdempotencyKey, Inbox, Outbox
from flatrender_studio.models.projects import (
    SavedAudio,
    SavedProject,
    SavedScene,
    SavedSceneColor,
    SavedSceneContent,
    SavedSharedColor,
)

__all__ = [
    "Base",
    "DeadLetter",
    "IdempotencyKey",
    "Inbox",
    "Outbox",
    "SavedAudio",
    "SavedProject",
    "SavedScene",
    "SavedSceneColor",
    "SavedSceneContent",
    "SavedSharedColor",
]
