"""Share links: anybody with the link sees one export, as long as its owner lets them.

A token is random and signed, so most guesses cost no query; of it only a hash is stored, and the
link is shown once. What is given out is a fresh presigned link each time. A password is hashed
like an account's; who knew it gets a grant of ten minutes for the routes that browsers follow.
"""

import base64
import binascii
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from msgspec import Struct

from flatrender.clock import random_token, uuid7
from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.http.context import client_address
from flatrender.http.proxies import limit_key
from flatrender.plugin import PluginContext
from flatrender.security.limits import define_limit
from flatrender.security.principal import Principal
from flatrender_render.errors import ShareOver, ShareRefused, TooManyShares
from flatrender_render.farm.renditions import CONTENT_TYPES
from flatrender_render.output_schemas import (
    CreatedShare,
    Share,
    ShareBody,
    SharedVideo,
    UnlockedShare,
)

MAX_SHARES = 20
GRANT_SECONDS = 600
LINK_LIFE = timedelta(minutes=10)
#: Beyond these a zone may put the end into a year that UTC, and the column, does not have.
_FIRST_END = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_END = datetime(9999, 12, 30, tzinfo=UTC)

#: Calls of the public routes from one address, guesses among them, tries of one link's password.
VISITS = define_limit("share", 300, 60.0)
GUESSES = define_limit("share_guess", 20, 600.0)
PASSWORDS = define_limit("share_password", 10, 600.0)
#: From all addresses together: a short password is not guessed by many at once either.
ALL_PASSWORDS = define_limit("share_password_all", 100, 3600.0)

_LOCK = """
SELECT id FROM render.exports
WHERE tenant_id = :tenant AND user_id = :user AND id = :export AND deleted_at IS NULL
  AND (expires_at IS NULL OR expires_at > now())
FOR UPDATE
"""
_COUNT = """
SELECT count(*) FROM render.export_shares WHERE tenant_id = :tenant AND export_id = :export
AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
_INSERT = """
INSERT INTO render.export_shares (id, tenant_id, export_id, token_hash, password_hash,
    allow_download, created_by, expires_at, name, max_downloads)
VALUES (:id, :tenant, :export, :hash, :password, :allow, :user, :expires, :name, :most)
"""
_COLUMNS = """
SELECT s.id, s.name, s.password_hash IS NOT NULL, s.allow_download, s.max_downloads, s.downloads,
       s.view_count, s.expires_at, s.revoked_at, s.last_viewed_at, s.created_at
FROM render.export_shares s
JOIN render.exports e ON e.tenant_id = s.tenant_id AND e.id = s.export_id
"""
_LIST = (
    _COLUMNS
    + """WHERE s.tenant_id = $1 AND e.user_id = $2 AND s.export_id = $3 AND e.deleted_at IS NULL
ORDER BY s.created_at DESC, s.id DESC LIMIT 200"""
)
_OWNED = """
SELECT true FROM render.exports
WHERE tenant_id = $1 AND user_id = $2 AND id = $3 AND deleted_at IS NULL
"""
_REVOKE = """
UPDATE render.export_shares s SET revoked_at = coalesce(s.revoked_at, now())
FROM render.exports e
WHERE s.tenant_id = :tenant AND s.id = :share AND s.export_id = :export
  AND e.tenant_id = s.tenant_id AND e.id = s.export_id AND e.user_id = :user
  AND e.deleted_at IS NULL
RETURNING s.id
"""
_FIND = """
SELECT s.id, s.password_hash, s.allow_download, s.max_downloads, s.downloads,
       s.expires_at AS share_ends, s.revoked_at IS NULL
         AND (s.expires_at IS NULL OR s.expires_at > now()) AND e.deleted_at IS NULL
         AND (e.expires_at IS NULL OR e.expires_at > now()) AS open,
       e.name, e.format, e.aspect, e.width, e.height, e.fps, e.duration, e.size_bytes,
       e.object_key, e.poster_object_key, e.thumbnail_object_key
FROM render.export_shares s
JOIN render.exports e ON e.tenant_id = s.tenant_id AND e.id = s.export_id
WHERE s.token_hash = $1
"""
_VIEWED = """
UPDATE render.export_shares SET view_count = view_count + 1, last_viewed_at = now() WHERE id = $1
"""
#: Many at once never pass the limit: the row is locked by its update.
_TAKE = """
UPDATE render.export_shares SET downloads = downloads + 1, last_viewed_at = now()
WHERE id = $1 AND revoked_at IS NULL AND (max_downloads IS NULL OR downloads < max_downloads)
RETURNING id
"""

Part = Literal["video", "poster", "thumbnail"]


class _Found(Struct, frozen=True, kw_only=True):
    """A share and the export behind it."""

    id: UUID
    password_hash: str | None
    allow_download: bool
    max_downloads: int | None
    downloads: int
    share_ends: datetime | None
    open: bool
    name: str
    format: str
    aspect: str
    width: int
    height: int
    fps: int
    duration: float
    size_bytes: int
    object_key: str
    poster_object_key: str | None
    thumbnail_object_key: str | None


class ShareService:
    """Owners make and revoke links; strangers follow them."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._security = context.infra.security
        self._signs = self._security.keyed_hash("share")
        self._grants = self._security.keyed_hash("share_grant")
        self._base = context.infra.settings.http.public_url.rstrip("/")

    async def create(self, principal: Principal, export_id: UUID, body: ShareBody) -> CreatedShare:
        """Make a link; its address is shown this once. Raises ``NotFound``, ``TooManyShares`` and
        ``Invalid`` for an end that no calendar in UTC has."""
        _check_end(body.expires_at)
        password = await self._security.passwords.hash(body.password) if body.password else None
        token = self._new_token()
        share_id = uuid7()
        async with self._db.unit_of_work(principal.tenant_id) as work:
            own = {
                "tenant": principal.tenant_id,
                "user": principal.user_id,
                "export": export_id,
            }
            if (await work.execute(_LOCK, **own)).first() is None:
                raise NotFound()
            made = await work.execute(_COUNT, tenant=principal.tenant_id, export=export_id)
            if int(made.scalar_one()) >= MAX_SHARES:
                raise TooManyShares(limit=MAX_SHARES)
            await work.execute(
                _INSERT,
                **own,
                id=share_id,
                hash=_hash(token),
                password=password,
                allow=body.allow_download,
                expires=body.expires_at,
                name=body.name,
                most=body.max_downloads,
            )
        return CreatedShare(
            id=share_id,
            url=f"{self._base}/s/{token}",
            name=body.name,
            password_protected=password is not None,
            allow_download=body.allow_download,
            max_downloads=body.max_downloads,
            downloads=0,
            views=0,
            expires_at=body.expires_at,
            revoked_at=None,
            last_viewed_at=None,
            created_at=self._context.clock.now(),
        )

    async def shares(self, principal: Principal, export_id: UUID) -> list[Share]:
        """Return an export's links, newest first. Raises ``NotFound``."""
        own = (principal.tenant_id, principal.user_id, export_id)
        if not await self._db.reads.value(principal.tenant_id, _OWNED, *own):
            raise NotFound()
        return await self._db.reads.all(Share, principal.tenant_id, _LIST, *own)

    async def revoke(self, principal: Principal, export_id: UUID, share_id: UUID) -> None:
        """End a link at once; a second time changes nothing. Raises ``NotFound``."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            revoked = await work.execute(
                _REVOKE,
                tenant=principal.tenant_id,
                user=principal.user_id,
                export=export_id,
                share=share_id,
            )
            if revoked.first() is None:
                raise NotFound()

    async def look(self, token: str, grant: str | None) -> SharedVideo:
        """Return what a stranger may know. Raises ``NotFound`` and ``ShareOver``."""
        found = await self._find(token)
        await self._db.system_fetch("share viewed", _VIEWED, found.id)
        granted = found.password_hash is None or self._granted(found, grant)
        return self._shown(found, token, grant if found.password_hash else None, granted=granted)

    async def unlock(self, token: str, password: str) -> UnlockedShare:
        """Return a grant for who knows the password. Raises ``ShareRefused``, ``RateLimited``."""
        found = await self._find(token)
        caller, everybody = f"share:{found.id}:{self._caller()}", f"share:{found.id}"
        await self._security.limiter.check(PASSWORDS.name, caller, critical=True)
        await self._security.limiter.check(ALL_PASSWORDS.name, everybody, critical=True)
        check = await self._security.passwords.verify(found.password_hash, password)
        if found.password_hash is None or not check.matched:
            raise ShareRefused()
        await self._security.limiter.reset(PASSWORDS.name, caller)
        await self._security.limiter.reset(ALL_PASSWORDS.name, everybody)
        until = int(self._context.clock.now().timestamp()) + GRANT_SECONDS
        grant = f"{until}.{_encode(self._grants.digest(_granting(found, until)))}"
        return UnlockedShare(
            grant=grant,
            expires_in=GRANT_SECONDS,
            video=self._shown(found, token, grant, granted=True),
        )

    async def link(self, token: str, part: Part, grant: str | None) -> str:
        """Return a presigned link; the video counts as a download.

        Raises ``NotFound``, ``ShareRefused`` and ``ShareOver``.
        """
        found = await self._find(token)
        if found.password_hash is not None and not self._granted(found, grant):
            raise ShareRefused()
        storage = self._context.infra.storage
        if part != "video":
            key = found.poster_object_key if part == "poster" else found.thumbnail_object_key
            if key is None:
                raise NotFound()
            return storage.link(key, expires=LINK_LIFE)
        if not await self._db.system_fetch("share downloaded", _TAKE, found.id):
            raise ShareOver()
        return storage.link(
            found.object_key,
            expires=LINK_LIFE,
            download_name=f"{found.name or 'video'}.{found.format}",
            content_type=CONTENT_TYPES[found.format],
            inline=not found.allow_download,
        )

    async def _find(self, token: str) -> _Found:
        if self._signed(token):
            rows = await self._db.system_fetch("share link", _FIND, _hash(token))
            if rows:
                found = _Found(**rows[0])
                if not found.open:
                    raise ShareOver()
                return found
        await self._security.limiter.check(GUESSES.name, f"address:{self._caller()}")
        raise NotFound()

    def _new_token(self) -> str:
        chance = random_token(18)
        return f"{chance}.{_encode(self._signs.digest(chance))}"

    def _signed(self, token: str) -> bool:
        chance, _, signature = token.partition(".")
        return self._signs.matches(chance, _decode(signature))

    def _granted(self, found: _Found, grant: str | None) -> bool:
        if not grant:
            return False
        moment, _, signature = grant.partition(".")
        if not (moment.isascii() and moment.isdigit() and len(moment) <= 12):
            return False
        until = int(moment)
        if until < self._context.clock.now().timestamp():
            return False
        return self._grants.matches(_granting(found, until), _decode(signature))

    def _shown(self, found: _Found, token: str, grant: str | None, *, granted: bool) -> SharedVideo:
        if not granted:
            return SharedVideo(password_required=True, expires_at=found.share_ends)
        base = f"{self._base}/s/{token}"
        query = f"?grant={grant}" if grant else ""
        left = None if found.max_downloads is None else found.max_downloads - found.downloads
        return SharedVideo(
            password_required=False,
            expires_at=found.share_ends,
            name=found.name,
            format=found.format,
            aspect=found.aspect,
            width=found.width,
            height=found.height,
            fps=found.fps,
            duration_sec=found.duration,
            size_bytes=found.size_bytes,
            allow_download=found.allow_download,
            downloads_left=left,
            video_url=f"{base}/video{query}",
            poster_url=f"{base}/poster{query}",
            thumbnail_url=f"{base}/thumbnail{query}",
        )

    @staticmethod
    def _caller() -> str:
        return limit_key(client_address())


def _check_end(end: datetime | None) -> None:
    if end is None or _FIRST_END <= end <= _LAST_END:
        return
    raise Invalid(
        errors=[
            FieldError(
                pointer="/expires_at",
                code="out_of_range",
                message_fa="این زمان در تقویم نیست",
                message_en="No calendar has this moment",
            )
        ]
    )


def _granting(found: _Found, until: int) -> str:
    # A changed password ends what the old one granted.
    return f"{found.id}:{found.password_hash}:{until}"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
