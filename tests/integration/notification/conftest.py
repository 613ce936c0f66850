"""A platform with a real mail server beside it, and ways to make things happen to people."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from flatrender.contracts.identity import PlanExpired
from flatrender.contracts.notification import MessageRequested
from flatrender.contracts.render import JobFailed
from flatrender.testing.platform import Person, Platform, run_platform
from flatrender.testing.plugin import TestDatabase
from flatrender.testing.waiting import until

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


@pytest.fixture(scope="session")
async def sms_provider() -> AsyncIterator[SmsProvider]:
    """The SMS provider, listening."""
    provider = SmsProvider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    yield provider
    server.close()
    await server.wait_closed()


class MailServer:
    """A mail server on the loopback. ``answers`` are given per recipient before it accepts."""

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.attempts: list[str] = []
        self.answers: dict[str, list[str]] = {}
        self.logins: list[str] = []

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any
    ) -> str:
        self.attempts.append(address)
        left = self.answers.get(address.lower())
        if left:
            return left.pop(0) if len(left) > 1 or not left[0].startswith("5") else left[0]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        parsed = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append((list(envelope.rcpt_tos), parsed))
        return "250 taken"

    def login(self, _server: Any, _session: Any, _envelope: Any, _kind: str, data: Any) -> Any:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        good = (data.login, data.password) == (b"postman", b"secret")
        return AuthResult(success=good, handled=False)

    def to(self, address: str) -> list[EmailMessage]:
        """Return the mails that reached an address."""
        return [mail for people, mail in self.mails if address in people]

    async def arrived(self, address: str) -> EmailMessage:
        """Wait for a mail to an address."""

        async def look() -> EmailMessage | None:
            found = self.to(address)
            return found[0] if found else None

        return await until(look)


@pytest.fixture(scope="session")
async def mail_server() -> AsyncIterator[MailServer]:
    """The mail server, listening."""
    mails = MailServer()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(
            mails,
            authenticator=mails.login,
            auth_require_tls=False,
            enable_SMTPUTF8=True,
            loop=loop,
        ),
        "127.0.0.1",
        0,
    )
    mails.port = server.sockets[0].getsockname()[1]
    yield mails
    server.close()
    await server.wait_closed()


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


@pytest.fixture(scope="session")
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
        "FLATRENDER_MAIL_HOST": "127.0.0.1",
        "FLATRENDER_MAIL_PORT": str(mail_server.port),
        "FLATRENDER_MAIL_STARTTLS": "false",
        "FLATRENDER_MAIL_USERNAME": "postman",
        "FLATRENDER_MAIL_PASSWORD": "secret",
        "FLATRENDER_MAIL_SENDER": "FlatRender <hello@flatrender.example>",
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
