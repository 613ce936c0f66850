"""ObjectStore: an async door over the synchronous minio client.

Every call runs on a small executor of its own with its own connection pool, so a slow store
never blocks the event loop. Browsers and nodes never send bytes through us: they get presigned
links, which are made by pure computation.
"""

import asyncio
import io
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import REPLACE, CopySource
from minio.datatypes import Part, PostPolicy
from minio.error import S3Error
from msgspec import Struct
from urllib3.exceptions import HTTPError

from flatrender.clock import Clock, random_token
from flatrender.settings import StorageSettings

T = TypeVar("T")

_CHUNK = 1 << 20


class StoreError(Exception):
    """The object store refused or did not answer. ``retryable`` tells whether to try again."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class ObjectMissing(StoreError):
    """There is no such object."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no object {key}", retryable=False)


class ObjectTooLong(StoreError):
    """An object has more bytes than were to be taken."""

    def __init__(self, key: str, most: int) -> None:
        super().__init__(f"more than {most} bytes: {key}", retryable=False)


class ObjectInfo(Struct, frozen=True, kw_only=True):
    """What the store says of an object; ``size`` in bytes. ``modified`` is when it was last
    stored, by the store's own clock."""

    key: str
    size: int
    content_type: str
    etag: str
    modified: datetime | None = None


class PresignedPost(Struct, frozen=True, kw_only=True):
    """A form upload that a browser may do by itself: POST ``fields`` plus ``file`` to ``url``."""

    url: str
    fields: dict[str, str]


class ObjectStore:
    """Objects of one bucket."""

    def __init__(self, settings: StorageSettings, clock: Clock) -> None:
        self.bucket = settings.bucket
        self._clock = clock
        self._executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="s3")
        timeout = urllib3.Timeout(connect=5, read=settings.timeout)
        self._http = urllib3.PoolManager(
            timeout=timeout,
            maxsize=settings.threads,
            retries=urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=[502, 503, 504]),
        )
        self._client = _client(settings, settings.endpoint, self._http)
        # The host is part of a signature: links for browsers are signed for the public one.
        self._public_url = (settings.public_url or settings.endpoint).rstrip("/")
        self._settings = settings
        self._public = self.client_for(self._public_url)

    def client_for(self, url: str) -> Minio:
        """Return a client of the same store at another address, whose links are signed for it."""
        return _client(self._settings, url, self._http)

    async def ensure_bucket(self) -> None:
        """Make the bucket when it is not there."""

        def work() -> None:
            if not self._client.bucket_exists(self.bucket):
                try:
                    self._client.make_bucket(self.bucket)
                except S3Error as error:
                    if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                        raise

        await self._run(work, self.bucket)

    async def put(
        self,
        key: str,
        data: bytes | Path,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Store bytes or a file under ``key`` and return the ETag."""

        def work() -> str:
            if isinstance(data, Path):
                result = self._client.fput_object(
                    self.bucket, key, str(data), content_type=content_type, metadata=_meta(metadata)
                )
            else:
                result = self._client.put_object(
                    self.bucket,
                    key,
                    io.BytesIO(data),
                    len(data),
                    content_type=content_type,
                    metadata=_meta(metadata),
                )
            return str(result.etag)

        return await self._run(work, key)

    async def get(self, key: str, *, offset: int = 0, length: int = 0) -> bytes:
        """Return an object's bytes, or ``length`` bytes from ``offset``.

        Raises :class:`ObjectMissing`.
        """

        def work() -> bytes:
            response = self._client.get_object(self.bucket, key, offset=offset, length=length)
            try:
                return bytes(response.read(decode_content=False))
            finally:
                response.close()
                response.release_conn()

        return await self._run(work, key)

    async def download(self, key: str, target: Path, *, most: int | None = None) -> None:
        """Write an object to ``target``; the file appears whole or not at all.

        Raises :class:`ObjectMissing`, and :class:`ObjectTooLong` beyond ``most`` bytes. What it
        has is taken as it lies: an uploader may have called it compressed, and what comes out of
        that has no bound.
        """

        def work() -> None:
            response = self._client.get_object(self.bucket, key)
            # Several may fetch the same object to the same place at once.
            part = target.with_name(f"{target.name}.{random_token(6)}.part")
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                left = most
                with part.open("wb") as stream:
                    for chunk in response.stream(_CHUNK, decode_content=False):
                        if left is not None and (left := left - len(chunk)) < 0:
                            raise ObjectTooLong(key, most or 0)
                        stream.write(chunk)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
                response.close()
                response.release_conn()

        await self._run(work, key)

    async def stat(self, key: str) -> ObjectInfo:
        """Return size and type of an object. Raises :class:`ObjectMissing`."""

        def work() -> ObjectInfo:
            found = self._client.stat_object(self.bucket, key)
            return ObjectInfo(
                key=key,
                size=int(found.size or 0),
                content_type=found.content_type or "application/octet-stream",
                etag=found.etag or "",
                modified=found.last_modified,
            )

        return await self._run(work, key)

    async def copy(self, key: str, target: str, *, etag: str, content_type: str) -> None:
        """Copy an object within the store, if it still is the one with this ETag.

        The copy has this type and nothing else of what its uploader said of it: a type, an encoding
        or a disposition would reach browsers. Raises :class:`ObjectMissing`, and
        :class:`StoreError` when it is another by now.
        """
        told: Any = {"Content-Type": content_type}

        def work() -> None:
            source = CopySource(self.bucket, key, match_etag=etag)
            self._client.copy_object(
                self.bucket, target, source, metadata=told, metadata_directive=REPLACE
            )

        await self._run(work, key)

    async def delete(self, key: str) -> None:
        """Remove an object; a missing one is fine."""
        await self._run(lambda: self._client.remove_object(self.bucket, key), key)

    async def keys(self, prefix: str, *, limit: int = 1000, after: str = "") -> list[str]:
        """Return up to ``limit`` keys below ``prefix`` that come after ``after``, in order."""

        def work() -> list[str]:
            found = []
            for item in self._client.list_objects(
                self.bucket, prefix=prefix, recursive=True, start_after=after or None
            ):
                found.append(str(item.object_name))
                if len(found) >= limit:
                    break
            return found

        return await self._run(work, prefix)

    def link(
        self,
        key: str,
        *,
        expires: timedelta = timedelta(minutes=15),
        download_name: str | None = None,
        content_type: str | None = None,
        inline: bool = False,
        internal: bool = False,
    ) -> str:
        """Return a presigned GET link (pure computation, no round trip).

        ``download_name`` is the user's own text and comes back safely (RFC 6266, RFC 8187).
        ``internal`` signs for the endpoint that our own processes use.
        """
        headers: dict[str, Any] = {}
        if content_type:
            headers["response-content-type"] = content_type
        if download_name is not None:
            headers["response-content-disposition"] = disposition(download_name, inline=inline)
        client = self._client if internal else self._public
        url: str = client.get_presigned_url(
            "GET", self.bucket, key, expires=expires, response_headers=headers or None
        )
        return url

    def upload_link(self, key: str, *, expires: timedelta = timedelta(minutes=15)) -> str:
        """Return a presigned PUT link for a machine that we trust with the key."""
        url: str = self._public.get_presigned_url("PUT", self.bucket, key, expires=expires)
        return url

    async def start_parts(self, key: str, *, content_type: str) -> str:
        """Begin an upload in parts (S3 "multipart upload") and return its id."""

        def work() -> str:
            headers: Any = {"Content-Type": content_type}
            # S3's CreateMultipartUpload; the client has no public name for it.
            return str(self._client._create_multipart_upload(self.bucket, key, headers))

        return await self._run(work, key)

    def part_link(
        self, key: str, upload_id: str, number: int, *, expires: timedelta = timedelta(hours=1)
    ) -> str:
        """Return a presigned PUT link for one part; parts count from 1."""
        query: Any = {"uploadId": upload_id, "partNumber": str(number)}
        url: str = self._public.get_presigned_url(
            "PUT", self.bucket, key, expires=expires, extra_query_params=query
        )
        return url

    async def join_parts(self, key: str, upload_id: str, etags: list[str]) -> str:
        """End an upload in parts; returns the object's ETag. Raises :class:`StoreError`."""

        def work() -> str:
            parts = [Part(number, etag) for number, etag in enumerate(etags, 1)]
            done = self._client._complete_multipart_upload(self.bucket, key, upload_id, parts)
            return str(done.etag)

        return await self._run(work, key)

    def upload_form(
        self, key: str, *, content_type: str, size: int, expires: timedelta = timedelta(minutes=15)
    ) -> PresignedPost:
        """Return a POST form that accepts exactly this key, type and length and nothing else.

        A field without a condition is refused by the protocol ("extra input fields"). SeaweedFS
        refuses ``x-amz-*`` only, so what it would act on is pinned, which every store checks: the
        answer's status, and no redirect. What is left reaches nobody else: access lists are not
        obeyed, and headers stay with an object that only its examiner reads.
        """
        policy = PostPolicy(self.bucket, self._clock.now() + expires)
        policy.add_equals_condition("key", key)
        policy.add_equals_condition("Content-Type", content_type)
        policy.add_content_length_range_condition(size, size)
        policy.add_equals_condition("success_action_status", "204")
        # S3 allows this condition, the client's method for it does not. The field goes along,
        # empty, for stores that want a field for every condition: it then means no redirect.
        policy._conditions["eq"]["success_action_redirect"] = ""
        fields = {str(k): str(v) for k, v in self._public.presigned_post_policy(policy).items()}
        fields |= {"key": key, "Content-Type": content_type, "success_action_status": "204"}
        fields["success_action_redirect"] = ""
        return PresignedPost(url=f"{self._public_url}/{self.bucket}", fields=fields)

    async def ping(self) -> None:
        """Raise :class:`StoreError` when the store does not answer."""
        await self._run(lambda: self._client.bucket_exists(self.bucket), self.bucket)

    def close(self) -> None:
        """Let running calls end and free the threads."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._http.clear()

    async def _run(self, work: Callable[[], T], key: str) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except S3Error as error:
            if error.code in ("NoSuchKey", "NoSuchObject", "ResourceNotFound"):
                raise ObjectMissing(key) from error
            retryable = error.code in ("SlowDown", "InternalError", "ServiceUnavailable")
            raise StoreError(f"{error.code}: {key}", retryable=retryable) from error
        except (HTTPError, OSError) as error:
            raise StoreError(f"{type(error).__name__}: {key}") from error


def disposition(name: str, *, inline: bool = False) -> str:
    """Return a Content-Disposition for any name: an ASCII fallback and the real one encoded.

    Control characters and path separators never reach the header (RFC 6266 section 4.3).
    """
    kind = "inline" if inline else "attachment"
    cleaned = "".join(c for c in name if c.isprintable() and c not in '/\\"')[:200] or "file"
    # "%" stays out of the fallback: some programs decode it there (RFC 6266 appendix D).
    fallback = cleaned.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    return f"{kind}; filename=\"{fallback}\"; filename*=UTF-8''{quote(cleaned, safe='')}"


def _client(settings: StorageSettings, url: str, http: urllib3.PoolManager) -> Minio:
    parts = urlsplit(url)
    return Minio(
        parts.netloc,
        access_key=settings.access_key,
        secret_key=settings.secret_key,
        secure=parts.scheme == "https",
        region=settings.region,  # known, so that presigning never asks the server
        http_client=http,
    )


def _meta(metadata: Mapping[str, str] | None) -> Any:
    return dict(metadata) if metadata else None
