"""Telegram for tests, over real HTTP: the Bot API's getMe, and what its Login Widget does once a
person says yes: it sends the browser to the site's address with the signed fields.

https://core.telegram.org/bots/api#getme, https://core.telegram.org/widgets/login
"""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode


class Telegram:
    """One Telegram with one bot. ``person`` is who has the app; ``token`` may be replaced, as
    BotFather does. Each answer is older than the one before: of one second they would be one."""

    def __init__(self) -> None:
        self.token = f"{secrets.randbelow(10**9) + 10**9}:{secrets.token_urlsafe(26)}"
        self.bot = f"test{secrets.token_hex(4)}_bot"
        self.person: dict[str, Any] = {}
        self.last = 1 << 40
        self.address = ""
        self.asked: list[str] = []

    def somebody(self, **fields: Any) -> dict[str, Any]:
        """Let a new person have the app."""
        self.person = {
            "id": str(secrets.randbelow(10**10) + 10**6),
            "first_name": "سارا",
            "username": "sara_t",
            **fields,
        }
        return self.person

    def signed(self, **changes: Any) -> dict[str, str]:
        """Return the fields as the widget passes them on."""
        self.last = min(self.last - 1, int(time.time()))
        told = {**self.person, "auth_date": self.last, **changes}
        fields = {name: str(value) for name, value in told.items()}
        text = "\n".join(sorted(f"{name}={value}" for name, value in fields.items()))
        key = hashlib.sha256(self.token.encode()).digest()
        fields["hash"] = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return fields

    async def __call__(self, scope: Mapping[str, Any], _receive: Any, send: Any) -> None:
        """Serve one request (ASGI)."""
        path = scope["path"]
        self.asked.append(path)
        if path == f"/bot{self.token}/getMe":
            bot = {"id": int(self.token.partition(":")[0]), "is_bot": True, "username": self.bot}
            await _json(send, 200, {"ok": True, "result": bot})
        elif path.startswith("/bot"):
            await _json(send, 401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
        elif path == "/auth":
            await self._authorise(send, dict(parse_qsl(scope["query_string"].decode())))
        else:
            await _json(send, 404, {"ok": False})

    async def _authorise(self, send: Any, query: dict[str, str]) -> None:
        if query.get("bot") != self.bot:
            await _json(send, 400, {"ok": False, "description": "Bot username invalid"})
            return
        back = query["auth_url"]
        joint = "&" if "?" in back else "?"
        where = f"{back}{joint}{urlencode(self.signed())}"
        headers = [(b"location", where.encode())]
        await send({"type": "http.response.start", "status": 302, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


async def _json(send: Any, status: int, body: object) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
