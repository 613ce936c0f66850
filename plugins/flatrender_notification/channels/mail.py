"""E-mail over SMTP (aiosmtplib), by the server that the operator configured."""

from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Annotated
from uuid import UUID

import aiosmtplib
from msgspec import Meta, Struct

from flatrender.plugin import PluginContext
from flatrender_notification.channels.failure import SendFailed
from flatrender_notification.messages import Written, one_line


class MailSettings(Struct, frozen=True, kw_only=True):
    """``FLATRENDER_MAIL_*``. Without a host no mail is sent and deliveries say so.

    ``starttls`` is a demand: a server that does not offer it, or whose certificate does not hold,
    gets neither the mail nor the password. ``ca_file`` names the authorities (PEM) of a server
    with a certificate of one's own; empty: the system's.
    """

    host: str = ""
    port: Annotated[int, Meta(ge=1, le=65535)] = 587
    username: str = ""
    password: str = ""
    sender: str = "FlatRender <no-reply@localhost>"
    starttls: bool = True
    ca_file: str = ""
    timeout: float = 20.0


class MailChannel:
    """Sends mail with the deployment's server."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self.settings = context.infra.settings.section("mail", MailSettings)

    @property
    def configured(self) -> bool:
        """True when there is a server to send with."""
        return bool(self.settings.host)

    async def send(self, delivery_id: UUID, recipient: str, written: Written) -> str:
        """Send one mail and return its Message-ID, which is the same on every attempt.

        Raises :class:`SendFailed`.
        """
        settings = self.settings
        domain = settings.sender.rpartition("@")[2].strip(" >") or "localhost"
        message = EmailMessage()
        message["From"] = settings.sender
        try:
            # An address object: exactly one recipient, whatever the text says.
            message["To"] = Address(addr_spec=one_line(recipient))
        except (ValueError, HeaderParseError) as error:
            raise SendFailed(f"not an address: {error}", permanent=True) from error
        message["Subject"] = one_line(written.subject)
        message["Date"] = format_datetime(self._context.clock.now())
        # Derived from the delivery: a mail that was sent twice is recognised as one.
        message["Message-ID"] = f"<{delivery_id}@{domain}>"
        message.set_content(written.text)
        message.add_alternative(written.html, subtype="html")
        try:
            # The operator's own server, from the environment: often on the inner network, so it
            # does not pass the door for addresses that users and admins can set.
            await aiosmtplib.send(
                message,
                hostname=settings.host,
                port=settings.port,
                username=settings.username or None,
                password=settings.password or None,
                start_tls=settings.starttls,
                cert_bundle=settings.ca_file or None,
                timeout=settings.timeout,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refused(error.recipients[0]) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _refused(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise SendFailed(str(error) or type(error).__name__, permanent=False) from error
        return str(message["Message-ID"])


def _refused(answer: aiosmtplib.SMTPResponseException) -> SendFailed:
    """4xx is for now, 5xx for good (RFC 5321 section 4.2.1)."""
    return SendFailed(f"{answer.code} {answer.message}", permanent=500 <= answer.code < 600)
