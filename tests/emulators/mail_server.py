"""A mail server on the loopback that keeps what it is given."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from flatrender.testing.waiting import until


class MailServer:
    """A mail server. ``answers`` are given per recipient before it accepts."""

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

    @property
    def environment(self) -> dict[str, str]:
        """What makes a platform send its mail here."""
        return {
            "FLATRENDER_MAIL_HOST": "127.0.0.1",
            "FLATRENDER_MAIL_PORT": str(self.port),
            "FLATRENDER_MAIL_STARTTLS": "false",
            "FLATRENDER_MAIL_USERNAME": "postman",
            "FLATRENDER_MAIL_PASSWORD": "secret",
            "FLATRENDER_MAIL_SENDER": "FlatRender <hello@flatrender.example>",
        }

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


@contextlib.asynccontextmanager
async def mail_server_on_loopback() -> AsyncIterator[MailServer]:
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
