"""SMS by the deployment's provider, in Kavenegar's protocol (REST API v1, ``sms/send.json``).

The provider's key stands in the path of the address, so no address of a call is ever logged or
put into an error.
"""

from typing import Annotated, Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
from msgspec import Meta, Struct

from flatrender.plugin import PluginContext
from flatrender.security.outbound import DestinationRefused
from flatrender_notification.channels.failure import SendFailed

#: Answers of the provider that another try may change: 409 (its server is busy), 418 (credit).
_FOR_NOW = frozenset({409, 418, 429})


class SmsSettings(Struct, frozen=True, kw_only=True):
    """``FLATRENDER_SMS_*``. Without a key no SMS is sent and deliveries say so. ``sender`` is the
    line to send from; empty: the account's own."""

    api_key: str = ""
    sender: str = ""
    base_url: str = "https://api.kavenegar.com"
    timeout: Annotated[float, Meta(gt=0, le=120)] = 20.0

    def __repr__(self) -> str:
        return f"SmsSettings(sender={self.sender!r}, ...)"


class SmsChannel:
    """Sends SMS with the deployment's account."""

    def __init__(self, context: PluginContext) -> None:
        self._door = context.infra.outbound
        self.settings = context.infra.settings.section("sms", SmsSettings)

    @property
    def configured(self) -> bool:
        """True when there is an account to send with."""
        return bool(self.settings.api_key)

    async def send(self, recipient: str, text: str) -> str:
        """Send one SMS and return the provider's message id. Raises :class:`SendFailed`."""
        settings = self.settings
        # The key is in the path: what goes wrong below must not carry the address.
        key = quote(settings.api_key, safe="")
        url = f"{settings.base_url.rstrip('/')}/v1/{key}/sms/send.json"
        fields = {"receptor": recipient, "message": text}
        if settings.sender:
            fields["sender"] = settings.sender
        try:
            answer = await self._door.request(
                "POST",
                url,
                purpose="sms",
                headers={"content-type": "application/x-www-form-urlencoded"},
                content=urlencode(fields).encode(),
                timeout=settings.timeout,
                max_bytes=1 << 16,
            )
        except DestinationRefused:
            raise SendFailed("the provider may not be called from here", permanent=True) from None
        except httpx.HTTPError as error:
            raise SendFailed(type(error).__name__, permanent=False) from None
        if answer.status != 200:
            permanent = 400 <= answer.status < 500 and answer.status not in _FOR_NOW
            raise SendFailed(f"the provider answered {answer.status}", permanent=permanent)
        return _message_id(answer.body)


def _message_id(body: bytes) -> str:
    try:
        told: Any = msgspec.json.decode(body)
        return str(told["entries"][0]["messageid"])
    except (msgspec.DecodeError, KeyError, IndexError, TypeError):
        raise SendFailed("the provider's answer cannot be read", permanent=False) from None
