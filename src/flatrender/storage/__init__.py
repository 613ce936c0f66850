"""Objects: bytes live in S3, addressed by keys of our own making, reached through one door."""

from flatrender.storage.store import (
    ObjectInfo,
    ObjectMissing,
    ObjectStore,
    ObjectTooLong,
    PresignedPost,
    StoreError,
)

__all__ = [
    "ObjectInfo",
    "ObjectMissing",
    "ObjectStore",
    "ObjectTooLong",
    "PresignedPost",
    "StoreError",
]
