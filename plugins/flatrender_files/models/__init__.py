"""Mapped tables of the file_mgr schema. The database is the truth; a contract test compares."""

from flatrender_files.models.base import Base
from flatrender_files.models.files import (
    CleanupSchedule,
    File,
    Folder,
    PendingDeletion,
    PublicLink,
    Quota,
    UploadSession,
)
from flatrender_files.models.plumbing import DeadLetter, IdempotencyKey, Inbox, Outbox

__all__ = [
    "Base",
    "CleanupSchedule",
    "DeadLetter",
    "File",
    "Folder",
    "IdempotencyKey",
    "Inbox",
    "Outbox",
    "PendingDeletion",
    "PublicLink",
    "Quota",
    "UploadSession",
]
