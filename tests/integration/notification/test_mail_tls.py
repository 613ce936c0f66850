"""Mail over TLS: what is required is never given up, and a certificate must be the server's."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flatrender.clock import SystemClock
from flatrender.settings import load_settings
from flatrender_notification.channels.failure import SendFailed
from flatrender_notification.channels.mail import MailChannel
from flatrender_notification.messages import Written

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority that lasts as long as a test."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        made = self._certificate(self.name, self.key, NOW + DAY, ca=True)
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        until: datetime.datetime,
        *,
        ca: bool = False,
        host: str = "",
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 9 * DAY)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if host:
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def context(self, host: str, *, until: datetime.datetime = NOW + DAY) -> ssl.SSLContext:
        """Return the TLS side of a server that calls itself ``host``."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        made = self._certificate(subject, key, until, host=host)
        file = self.folder / f"{uuid4().hex}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


class Server:
    """A mail server that notes what reached it and how."""

    def __init__(self) -> None:
        self.port = 0
        self.commands: list[str] = []
        self.encrypted: list[bool] = []

    async def handle_MAIL(
        self, _server: Any, session: Any, envelope: Envelope, address: str, _options: Any
    ) -> str:
        self.commands.append("MAIL")
        self.encrypted.append(session.ssl is not None)
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, _envelope: Envelope) -> str:
        self.commands.append("DATA")
        return "250 taken"

    def login(self, _server: Any, session: Any, _envelope: Any, _kind: str, _data: Any) -> Any:
        self.commands.append("AUTH")
        self.encrypted.append(session.ssl is not None)
        return AuthResult(success=True, handled=False)


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None) -> AsyncIterator[Server]:
    """Listen on the loopback; without ``tls`` the server offers no STARTTLS and takes any login."""
    noted = Server()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: SMTP(
            noted,
            tls_context=tls,
            authenticator=noted.login,
            auth_require_tls=tls is not None,
            loop=loop,
        ),
        "127.0.0.1",
        0,
    )
    noted.port = listening.sockets[0].getsockname()[1]
    try:
        yield noted
    finally:
        listening.close()
        await listening.wait_closed()


async def send(server: Server, authority: Authority, **mail: str) -> str:
    """Send one mail by the channel as a deployment configures it."""
    settings = load_settings(
        {
            "FLATRENDER_ENVIRONMENT": "test",
            "FLATRENDER_MAIL_HOST": "localhost",
            "FLATRENDER_MAIL_PORT": str(server.port),
            "FLATRENDER_MAIL_USERNAME": "postman",
            "FLATRENDER_MAIL_PASSWORD": "secret",
            "FLATRENDER_MAIL_CA_FILE": str(authority.file),
            **mail,
        }
    )
    context: Any = SimpleNamespace(infra=SimpleNamespace(settings=settings), clock=SystemClock())
    written = Written(subject="Hello", text="hello", html="<p>hello</p>")
    return await MailChannel(context).send(uuid4(), "someone@example.com", written)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The authority that the deployment trusts."""
    return Authority(tmp_path, "trusted")


async def test_mail_and_password_travel_encrypted(authority: Authority) -> None:
    async with serving(authority.context("localhost")) as server:
        assert await send(server, authority)
    assert server.commands == ["AUTH", "MAIL", "DATA"]
    assert server.encrypted == [True, True]


async def test_a_server_without_starttls_gets_nothing(authority: Authority) -> None:
    """As after somebody on the way has stripped the offer."""
    async with serving(None) as server:
        with pytest.raises(SendFailed) as failed:
            await send(server, authority)
        assert server.commands == [], "neither the mail nor the password"
        assert failed.value.permanent is False
        # Only an operator who says so sends in the clear.
        await send(server, authority, FLATRENDER_MAIL_STARTTLS="false")
        assert server.encrypted == [False, False]


@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param(
            lambda trusted: Authority(trusted.folder, "stranger").context("localhost"), id="unknown"
        ),
        pytest.param(lambda trusted: trusted.context("mail.example.com"), id="another_host"),
        pytest.param(lambda trusted: trusted.context("localhost", until=NOW - DAY), id="expired"),
    ],
)
async def test_a_certificate_that_does_not_hold_ends_the_talk(
    authority: Authority, certificate: Callable[[Authority], ssl.SSLContext]
) -> None:
    async with serving(certificate(authority)) as server:
        with pytest.raises(SendFailed) as failed:
            await send(server, authority)
    assert "certificate" in str(failed.value).lower()
    assert server.commands == []


async def test_without_a_file_the_systems_authorities_decide(authority: Authority) -> None:
    async with serving(authority.context("localhost")) as server:
        with pytest.raises(SendFailed):
            await send(server, authority, FLATRENDER_MAIL_CA_FILE="")
    assert server.commands == []
