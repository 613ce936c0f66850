"""Uploads: reserve, let the browser send the bytes to the store, check them, count them.

Quota is reserved in one statement before a byte travels and settled on the real size, once: who
moves the session out of Completing settles, anybody later finds it moved.

The form that a browser holds can be sent again until it expires. So a finished file is not the
object that the form names: the very bytes that were examined are stored under a key of their own,
and the form's key is removed at once and again when the form is dead.
"""

import asyncio
import contextlib
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.contracts.files import FileUploaded
from flatrender.contracts.identity import UploadEntitlements
from flatrender.db import UnitOfWork
from flatrender.errors import DomainError, NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender.storage import ObjectMissing, StoreError
from flatrender_files.domain import MAX_BYTES, Purpose, accepts
from flatrender_files.errors import (
    ContentMismatch,
    FileTooLarge,
    NotUploaded,
    QuotaExceeded,
    SizeMismatch,
    UploadBusy,
    UploadClosed,
    UploadOverPlan,
)
from flatrender_files.examine import Facts, examine
from flatrender_files.services import upload_sql as sql

UPLOAD_LIFE = timedelta(minutes=30)
COMPLETING_SECONDS = 120
#: The free plan's storage; identity's plan events raise it.
DEFAULT_LIMIT = 512 * 2**20
#: What staff bring in for everybody is bounded by its purpose, not by a plan of their own.
FOR_THE_CATALOGUE = frozenset({"template", "music", "font"})


class Upload(Struct, frozen=True, kw_only=True):
    """Where and how a browser sends the bytes: POST ``fields`` and then ``file`` to ``url``."""

    upload_id: UUID
    file_id: UUID
    url: str
    method: str
    fields: dict[str, str]
    expires_at: datetime


class _Session(Struct, frozen=True):
    file_id: UUID
    object_key: str
    declared_bytes: int
    declared_sha256: str | None
    reserved_bytes: int
    expires_at: datetime


class UploadService:
    """Use cases of uploads."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def begin(
        self,
        principal: Principal,
        *,
        name: str,
        content_type: str,
        size: int,
        purpose: Purpose,
        sha256: str | None,
    ) -> Upload:
        """Reserve storage and return a form for the browser.

        Raises :class:`FileTooLarge`, :class:`UploadOverPlan` and :class:`QuotaExceeded`.
        """
        limit = MAX_BYTES[purpose]
        if size > limit:
            raise FileTooLarge(limit=limit)
        if principal.user_id is None:
            raise NotFound()
        if not (principal.is_staff and purpose in FOR_THE_CATALOGUE):
            await self._check_plan(principal.tenant_id, principal.user_id, size)
        now = self._context.clock.now()
        upload_id, file_id = uuid7(now), uuid7(now)
        key = f"uploads/{principal.tenant_id}/{file_id}"
        expires = now + UPLOAD_LIFE
        storage = self._context.infra.storage
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await self._reserve(work, principal.user_id, size)
            await work.execute(
                "INSERT INTO file_mgr.files (id, tenant_id, user_id, purpose, name, bucket, "
                "object_key, declared_type) VALUES (:id, :tenant, :user, :purpose, :name, :bucket, "
                ":key, :type)",
                id=file_id,
                tenant=principal.tenant_id,
                user=principal.user_id,
                purpose=purpose,
                name=name,
                bucket=storage.bucket,
                key=key,
                type=content_type,
            )
            await work.execute(
                "INSERT INTO file_mgr.upload_sessions (id, tenant_id, user_id, file_id, bucket, "
                "object_key, declared_type, declared_bytes, declared_sha256, reserved_bytes, "
                "expires_at) VALUES (:id, :tenant, :user, :file, :bucket, :key, :type, :size, "
                ":sha, :size, :expires)",
                id=upload_id,
                tenant=principal.tenant_id,
                user=principal.user_id,
                file=file_id,
                bucket=storage.bucket,
                key=key,
                type=content_type,
                size=size,
                sha=sha256,
                expires=expires,
            )
        form = storage.upload_form(key, content_type=content_type, size=size, expires=UPLOAD_LIFE)
        return Upload(
            upload_id=upload_id,
            file_id=file_id,
            url=form.url,
            method="POST",
            fields=form.fields,
            expires_at=expires,
        )

    async def complete(self, principal: Principal, upload_id: UUID) -> UUID:
        """Check the bytes and make the file usable; returns the file's id.

        Raises ``NotFound``, :class:`NotUploaded`, :class:`UploadClosed`, and for what is refused
        and removed: :class:`SizeMismatch`, :class:`ContentMismatch`, ``image_too_large``,
        ``media_unreadable``.
        """
        session, purpose = await self._take(principal, upload_id)
        if purpose is None:
            return session.file_id  # finished before: the same answer again
        try:
            facts, key = await self._accept(principal, session, purpose)
        except NotUploaded:
            await self._reopen(principal, upload_id)
            raise
        except DomainError as error:
            await self._reject(principal, upload_id, session, error.code)
            raise
        async with self._db.unit_of_work(principal.tenant_id) as work:
            if not await self._close(work, upload_id, "Completed", None):
                raise UploadClosed()  # it took too long: somebody else finished or closed it
            await work.execute(
                "UPDATE file_mgr.files SET state = 'Ready', object_key = :key, "
                "content_type = :type, extension = :extension, size_bytes = :size, sha256 = :sha, "
                "width = :width, height = :height, duration = :duration, has_alpha = :alpha "
                "WHERE tenant_id = :tenant AND id = :id",
                key=key,
                type=facts.kind.content_type,
                extension=facts.kind.extension,
                size=facts.size,
                sha=facts.sha256,
                width=facts.width,
                height=facts.height,
                duration=facts.duration,
                alpha=facts.has_alpha,
                tenant=principal.tenant_id,
                id=session.file_id,
            )
            await work.execute(
                "DELETE FROM file_mgr.pending_deletions WHERE tenant_id = :tenant "
                "AND bucket = :bucket AND object_key = :key",
                tenant=principal.tenant_id,
                bucket=self._context.infra.storage.bucket,
                key=key,
            )
            await self._forget(work, session.object_key, "checked", session.expires_at)
            await work.execute(
                sql.SETTLE,
                reserved=session.reserved_bytes,
                used=facts.size,
                files=1,
                tenant=principal.tenant_id,
                user=principal.user_id,
            )
            work.emit(
                FileUploaded(
                    file_id=session.file_id,
                    user_id=principal.user_id or session.file_id,
                    content_type=facts.kind.content_type,
                    size_bytes=facts.size,
                )
            )
        await self._remove_now(session.object_key)
        return session.file_id

    async def abort(self, principal: Principal, upload_id: UUID) -> None:
        """Give up an upload; what it reserved is free again. Raises ``NotFound``."""
        session, purpose = await self._take(principal, upload_id)
        if purpose is None:
            raise UploadClosed()
        await self._reject(principal, upload_id, session, "aborted", state="Aborted")

    async def expire(self) -> int:
        """Close uploads that nobody finished and give back what they reserved."""
        async with self._db.system("abandoned uploads") as work:
            return int(await work.fetchval(sql.EXPIRE))

    async def _check_plan(self, tenant_id: UUID, user_id: UUID, size: int) -> None:
        plan = await self._context.port(UploadEntitlements).upload_limits(tenant_id, user_id)
        limit = plan.max_upload_bytes
        if limit is not None and size > limit:
            raise UploadOverPlan(
                plan=plan.plan_code,
                limit=limit,
                size=size,
                extra={"plan_code": plan.plan_code, "max_upload_bytes": limit},
            )

    async def _reserve(self, work: UnitOfWork, user_id: UUID, size: int) -> None:
        await work.execute(sql.ENSURE_QUOTA, tenant=work.tenant, user=user_id, limit=DEFAULT_LIMIT)
        reserved = await work.execute(sql.RESERVE, size=size, tenant=work.tenant, user=user_id)
        if reserved.first() is None:
            found = await work.execute(
                "SELECT greatest(0, limit_bytes - used_bytes - reserved_bytes) "
                "FROM file_mgr.quotas WHERE tenant_id = :tenant AND user_id = :user",
                tenant=work.tenant,
                user=user_id,
            )
            raise QuotaExceeded(needed=size, left=found.scalar_one())

    async def _take(self, principal: Principal, upload_id: UUID) -> tuple[_Session, str | None]:
        """Claim the session for checking; the purpose is None when it was completed before."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            taken = await work.execute(
                sql.TAKE,
                tenant=principal.tenant_id,
                user=principal.user_id,
                id=upload_id,
                patience=COMPLETING_SECONDS,
            )
            row: Any = taken.first()
            if row is not None:
                found = await work.execute(
                    "SELECT purpose FROM file_mgr.files WHERE tenant_id = :tenant AND id = :id",
                    tenant=principal.tenant_id,
                    id=row.file_id,
                )
                return _Session(*row), str(found.scalar_one())
            known = await work.execute(
                sql.KNOWN,
                tenant=principal.tenant_id,
                user=principal.user_id,
                id=upload_id,
            )
            row = known.first()
        if row is None:
            raise NotFound()
        if row.state == "Completed":
            return _Session(*row[:6]), None
        if row.state == "Completing":
            raise UploadBusy(headers={"Retry-After": "2"})
        raise UploadClosed()

    async def _accept(
        self, principal: Principal, session: _Session, purpose: str
    ) -> tuple[Facts, str]:
        """Check the bytes and store them under a key of their own; returns facts and that key."""
        storage = self._context.infra.storage
        try:
            info = await storage.stat(session.object_key)
        except ObjectMissing as error:
            raise NotUploaded() from error
        if info.size != session.declared_bytes:
            raise SizeMismatch()
        with tempfile.TemporaryDirectory(prefix="flatrender-upload-") as folder:
            path = Path(folder) / "file"
            await storage.download(session.object_key, path)
            facts = await asyncio.to_thread(examine, path)
            if facts.size != session.declared_bytes:
                raise SizeMismatch()
            if not accepts(purpose, facts.kind):
                raise ContentMismatch(found=facts.kind.content_type)
            if session.declared_sha256 and session.declared_sha256 != facts.sha256:
                raise ContentMismatch(found=f"sha256:{facts.sha256}")
            key = f"files/{principal.tenant_id}/{uuid7()}.{facts.kind.extension}"
            async with self._db.unit_of_work(principal.tenant_id) as work:
                # Should we die before the file is Ready, nobody would know of this object.
                await self._forget(work, key, "unfinished", session.expires_at + UPLOAD_LIFE)
            stored = facts.kind.content_type if facts.kind.inline else "application/octet-stream"
            await storage.put(key, path, content_type=stored)
        return facts, key

    async def _forget(self, work: UnitOfWork, key: str, reason: str, after: datetime) -> None:
        """Have an object removed some time after ``after``."""
        bucket = self._context.infra.storage.bucket
        await work.execute(
            sql.FORGET_OBJECT,
            tenant=work.tenant,
            bucket=bucket,
            key=key,
            reason=reason,
            after=after,
        )

    async def _remove_now(self, key: str) -> None:
        with contextlib.suppress(StoreError):  # its removal is written down already
            await self._context.infra.storage.delete(key)

    async def _reopen(self, principal: Principal, upload_id: UUID) -> None:
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await self._close(work, upload_id, "Open", None)

    async def _reject(
        self,
        principal: Principal,
        upload_id: UUID,
        session: _Session,
        code: str,
        *,
        state: str = "Rejected",
    ) -> None:
        async with self._db.unit_of_work(principal.tenant_id) as work:
            if not await self._close(work, upload_id, state, code):
                raise UploadClosed()
            await work.execute(
                "UPDATE file_mgr.files SET state = 'Rejected', reject_code = :code "
                "WHERE tenant_id = :tenant AND id = :id",
                code=code,
                tenant=principal.tenant_id,
                id=session.file_id,
            )
            await work.execute(
                sql.SETTLE,
                reserved=session.reserved_bytes,
                used=0,
                files=0,
                tenant=principal.tenant_id,
                user=principal.user_id,
            )
            await self._forget(work, session.object_key, code, session.expires_at)
        await self._remove_now(session.object_key)

    async def _close(self, work: UnitOfWork, upload_id: UUID, state: str, code: str | None) -> bool:
        """Move a claimed session on; False when it is not ours any more."""
        closed = await work.execute(
            sql.CLOSE, state=state, code=code, tenant=work.tenant, id=upload_id
        )
        return closed.first() is not None
