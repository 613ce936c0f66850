"""A platform with a real mail server beside it, and ways to make things happen to people."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "emulators"))

from mail_server import MailServer, mail_server_on_loopback  # the path is above

from flatrender.contracts.identity import PlanExpired
from flatrender.contracts.notification import MessageRequested
from flatrender.contracts.render import JobFailed
from flatrender.testing.platform import Person, Platform, run_platform
from flatrender.testing.plugin import TestDatabase

SMS_KEY = "sms-key/of a test"


class SmsProvider:
    """An SMS provider on the loopback that speaks Kavenegar's protocol, over plain HTTP/1.1."""

    def __init__(self) -> None:
        self.port = 0
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.answers: dict[str, list[int]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one call and close."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length:")[2].split("\r\n")[0])
        fields = dict(parse_qsl((await reader.readexactly(length)).decode()))
        self.calls.append((head.split(" ")[1], fields))
        left = self.answers.get(fields["receptor"], [])
        status = left.pop(0) if left else 200
        told = {
            "return": {"status": status, "message": ""},
            "entries": [{"messageid": 8792343}] if status == 200 else [],
        }
        body = msgspec.json.encode(told)
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        writer.close()

    def to(self, mobile: str) -> list[dict[str, str]]:
        """Return what reached a mobile."""
        return [fields for _path, fields in self.calls if fields["receptor"] == mobile]


@pytest.fixture(scope="package")
async def sms_provider() -> AsyncIterator[SmsProvider]:
    """The SMS provider, listening."""
    provider = SmsProvider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    yield provider
    server.close()
    await server.wait_closed()


@pytest.fixture(scope="package")
async def mail_server() -> AsyncIterator[MailServer]:
    """The mail server, listening."""
    async with mail_server_on_loopback() as mails:
        yield mails


class PostedPlatform(Platform):
    """A platform whose people have had the mail that registering brings, which is put aside."""

    mail_server: MailServer

    async def person(self, **known: Any) -> Person:
        """Register and log somebody in whose mailbox is empty."""
        person = await super().person(**known)
        await self.mail_server.arrived(person.email)

        async def sent() -> bool:
            rows = await self.sql(
                "DELETE FROM notification.deliveries WHERE recipient = $1 "
                "AND template = 'verify_email' AND state = 'Sent' RETURNING id",
                person.email,
            )
            return bool(rows)

        await self.until(sent)
        server = self.mail_server
        server.mails[:] = [m for m in server.mails if person.email not in m[0]]
        server.attempts[:] = [a for a in server.attempts if a != person.email]
        return person


@pytest.fixture(scope="package")
async def posted(
    server_environment: dict[str, str],
    mail_server: MailServer,
    sms_provider: SmsProvider,
    clone_database: Callable[[], TestDatabase],
) -> AsyncIterator[PostedPlatform]:
    """A platform that sends its mail to `mail_server`; on a database of its own, so that the
    other platform's worker takes none of its deliveries."""
    mail = {
        "FLATRENDER_DATABASE_NAME": clone_database().name,
        **mail_server.environment,
        "FLATRENDER_SMS_API_KEY": SMS_KEY,
        "FLATRENDER_SMS_SENDER": "10004346",
        "FLATRENDER_SMS_BASE_URL": f"http://127.0.0.1:{sms_provider.port}",
        "FLATRENDER_SECURITY_ALLOW_LOOPBACK": "true",
        "FLATRENDER_VALKEY_PREFIX": f"{server_environment['FLATRENDER_VALKEY_PREFIX']}-mail",
    }
    async with run_platform({**server_environment, **mail}) as running:
        platform = PostedPlatform(running.runtime, running.client, running.app)
        platform.mail_server = mail_server
        yield platform


Happen = Callable[..., Awaitable[UUID]]


async def _emit(platform: Platform, person: Person, context: str, event: Any) -> UUID:
    database = platform.runtime.plugins[context].context.db
    async with database.unit_of_work(person.tenant_id) as work:
        event_id: UUID = work.emit(event)
    return event_id


@pytest.fixture(scope="session")
def plan_expires() -> Happen:
    """Return a function that ends a person's plan, as far as others are told."""

    async def happen(platform: Platform, person: Person, plan: str = "pro") -> UUID:
        event = PlanExpired(user_id=person.id, plan_code=plan, storage_bytes=1)
        return await _emit(platform, person, "identity", event)

    return happen


@pytest.fixture(scope="session")
def render_fails() -> Happen:
    """Return a function that tells of a failed render."""

    async def happen(platform: Platform, person: Person, **changes: Any) -> UUID:
        told: dict[str, Any] = {
            "job_id": uuid4(),
            "user_id": person.id,
            "saved_project_id": uuid4(),
            "project_name": "نوروز",
            "code": "engine_failed",
            "message_fa": "موتور ایستاد",
            "message_en": "The engine stopped",
            "retryable": True,
            **changes,
        }
        known = set(JobFailed.__struct_fields__)
        event = JobFailed(**{k: v for k, v in told.items() if k in known})
        return await _emit(platform, person, "render", event)

    return happen


@pytest.fixture(scope="session")
def message_asked() -> Happen:
    """Return a function that asks for a transactional message as identity does."""

    async def happen(platform: Platform, person: Person, **changes: Any) -> UUID:
        values: dict[str, Any] = {
            "channel": "Email",
            "user_id": person.id,
            "recipient": person.email,
            "template": "mfa_enabled",
            "locale": "fa",
            "params": {},
            **changes,
        }
        return await _emit(platform, person, "identity", MessageRequested(**values))

    return happen
