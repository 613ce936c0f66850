"""People with an authenticator app, and the messages that people get."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
import pyotp
import pytest

from flatrender.contracts.notification import message_place
from flatrender.testing.platform import PASSWORD, Person, Platform


class Armed:
    """Somebody with a confirmed TOTP factor and ten recovery codes."""

    def __init__(self, platform: Platform, person: Person, secret: str, codes: list[str]) -> None:
        self.platform = platform
        self.person = person
        self.totp = pyotp.TOTP(secret)
        self.codes = codes

    def next_code(self) -> str:
        """The code of the step after this one: right, and not used up by the confirmation."""
        return self.totp.at(self.platform.runtime.infra.clock.now(), counter_offset=1)

    def wrong_code(self) -> str:
        """A code that no step near this one has."""
        now = self.platform.runtime.infra.clock.now()
        near = {self.totp.at(now, counter_offset=step) for step in range(-3, 4)}
        return next(code for code in (digit * 6 for digit in "01234567") if code not in near)

    async def pending(self) -> str:
        """Log in up to the second factor; returns its token."""
        answer = await self.platform.client.post(
            "/v1/auth/login", json={"email": self.person.email, "password": PASSWORD}
        )
        assert answer.json()["mfa_required"] is True, answer.text
        token: str = answer.json()["mfa_token"]
        return token

    async def verify(self, token: str, code: str) -> Any:
        """Send the second factor."""
        return await self.platform.client.post(
            "/v1/auth/mfa/verify", json={"mfa_token": token, "code": code}
        )


@pytest.fixture(scope="session")
def arm(platform: Platform) -> Callable[[], Awaitable[Armed]]:
    """Return a function that makes somebody with a second factor."""

    async def make() -> Armed:
        person = await platform.person()
        enrolled = await platform.client.post("/v1/me/mfa/totp", headers=person.headers)
        assert enrolled.status_code == 201, enrolled.text
        body = enrolled.json()
        confirmed = await platform.client.post(
            f"/v1/me/mfa/totp/{body['factor_id']}/confirm",
            json={"code": pyotp.TOTP(body["secret"]).at(platform.runtime.infra.clock.now())},
            headers=person.headers,
        )
        assert confirmed.status_code == 200, confirmed.text
        return Armed(platform, person, body["secret"], confirmed.json()["recovery_codes"])

    return make


@pytest.fixture(scope="session")
def session_of(platform: Platform) -> Callable[[Person], Awaitable[UUID]]:
    """Return a function that names a person's latest session."""

    async def find(person: Person) -> UUID:
        rows = await platform.sql(
            "SELECT id FROM identity.sessions WHERE user_id = $1 ORDER BY created_at DESC LIMIT 1",
            person.id,
        )
        found: UUID = rows[0]["id"]
        return found

    return find


def token_in(link: str) -> str:
    """Return the token in a link's fragment."""
    return link.partition("#")[2].partition("=")[2].partition("&")[0]


class Post:
    """What identity asked to be sent, with its sealed half opened."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    async def all(self, recipient: str, template: str | None = None) -> list[dict[str, Any]]:
        """Return the messages to an address, the oldest first."""
        rows = await self.platform.sql(
            "SELECT payload->'data' AS told FROM identity.outbox "
            "WHERE name = 'notification.message.requested.v1' "
            "AND payload->'data'->>'recipient' = $1 ORDER BY id",
            recipient,
        )
        told = [msgspec.json.decode(row["told"]) for row in rows]
        return [self._opened(one) for one in told if template in (None, one["template"])]

    async def last(self, recipient: str, template: str, *, number: int = 1) -> dict[str, Any]:
        """Return the ``number``th message of a kind to an address, once it is there."""

        async def look() -> dict[str, Any] | None:
            found = await self.all(recipient, template)
            return found[number - 1] if len(found) >= number else None

        return await self.platform.until(look)

    async def code(self, recipient: str, template: str, *, number: int = 1) -> str:
        """Return the code of a message."""
        code: str = (await self.last(recipient, template, number=number))["secrets"]["code"]
        return code

    async def token(self, recipient: str, template: str, *, number: int = 1) -> str:
        """Return the token in the fragment of a message's link."""
        told = await self.last(recipient, template, number=number)
        return token_in(told["secrets"]["link"])

    def _opened(self, told: dict[str, Any]) -> dict[str, Any]:
        if not told["sealed_params"]:
            return {**told, "secrets": {}}
        opened = self.platform.runtime.infra.encryptor.decrypt_bytes(
            told["sealed_params"], message_place(told["recipient"])
        )
        return {**told, "secrets": msgspec.json.decode(opened)}


@pytest.fixture(scope="session")
def post(platform: Platform) -> Post:
    """Read what people were sent."""
    return Post(platform)
