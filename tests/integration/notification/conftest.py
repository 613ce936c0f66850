"""A platform with a real mail server beside it, and ways to make things happen to people."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from flatrender.contracts.identity import PlanExpired
from flatrender.contracts.notification import MessageRequested
from flatrender.contracts.render import JobFailed
from flatrender.testing.platform import Person, Platform, run_platform
from flatrender.testing.plugin import TestDatabase
from flatrender.testing.waiting import until


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


@pytest.fixture(scope="session")
async def posted(
    server_environment: dict[str, str],
    mail_server: MailServer,
    clone_database: Callable[[], TestDatabase],
) -> AsyncIterator[Platform]:
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
        "FLATRENDER_VALKEY_PREFIX": f"{server_environment['FLATRENDER_VALKEY_PREFIX']}-mail",
    }
    async with run_platform({**server_environment, **mail}) as running:
        yield running


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
