"""People with passkeys on software authenticators."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from flatrender.testing.platform import PASSWORD, Person, Platform

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "emulators"))

from authenticator import Authenticator, Held

ORIGIN = "http://testserver.local"


class Keyed:
    """Somebody with a passkey, who is signed in with it shown."""

    def __init__(self, platform: Platform, person: Person, answer: dict[str, Any]) -> None:
        self.platform = platform
        self.person = person
        self.device = Authenticator(ORIGIN)
        self.codes: list[str] = answer.get("recovery_codes", [])

    @property
    def held(self) -> Held:
        """The passkey that was made first."""
        return self.device.held[0]

    async def post(self, path: str, body: Any = None, headers: Any = None) -> Any:
        """Call as this person."""
        return await self.platform.client.post(
            path, json=body, headers=headers if headers is not None else self.person.headers
        )

    async def begin(self, password: str | None = PASSWORD, headers: Any = None) -> Any:
        """Ask for a new passkey."""
        body = {"current_password": password} if password else {}
        return await self.post("/v1/me/mfa/passkeys/options", body, headers)

    async def register(
        self, name: str = "My phone", *, password: str | None = PASSWORD, **changes: Any
    ) -> Any:
        """Make a passkey and send it; what a right answer changes is taken over."""
        begun = await self.begin(password)
        assert begun.status_code == 200, begun.text
        made = self.device.create(begun.json()["public_key"], **changes)
        return await self.send(begun.json()["challenge_id"], made, name)

    async def send(self, challenge_id: str, made: dict[str, Any], name: str = "My phone") -> Any:
        """Send a passkey that was made."""
        body = {"challenge_id": challenge_id, "credential": made, "name": name}
        answer = await self.post("/v1/me/mfa/passkeys", body)
        if answer.status_code == 201:
            self.take(answer.json())
        return answer

    def take(self, tokens: dict[str, Any]) -> None:
        """Go on with these tokens."""
        self.person = Person(
            id=self.person.id,
            email=self.person.email,
            tenant_id=self.person.tenant_id,
            access_token=tokens["access_token"],
            refresh_token=tokens["refresh_token"],
            tenant_key=self.person.tenant_key,
        )
        self.codes = tokens.get("recovery_codes") or self.codes

    async def ask(self) -> dict[str, Any]:
        """Ask to sign in by passkey alone."""
        answer = await self.platform.client.post("/v1/auth/passkey/options", headers=self.tenant)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def show(self, asked: dict[str, Any], used: dict[str, Any], **more: Any) -> Any:
        """Answer that by a passkey."""
        body = {"challenge_id": asked["challenge_id"], "passkey": used, **more}
        return await self.platform.client.post(
            "/v1/auth/passkey/verify", json=body, headers=self.tenant
        )

    async def sign_in(self, **changes: Any) -> Any:
        """Sign in by passkey alone."""
        asked = await self.ask()
        return await self.show(asked, self.device.get(asked["public_key"], **changes))

    async def pending(self) -> dict[str, Any]:
        """Log in by password up to the second factor."""
        answer = await self.platform.client.post(
            "/v1/auth/login",
            json={"email": self.person.email, "password": PASSWORD},
            headers=self.tenant,
        )
        body: dict[str, Any] = answer.json()
        assert body["mfa_required"] is True, answer.text
        return body

    async def ask_second(self, mfa_token: str) -> Any:
        """Ask for the passkey as second factor."""
        return await self.platform.client.post(
            "/v1/auth/mfa/passkey/options", json={"mfa_token": mfa_token}
        )

    async def second(self, mfa_token: str, **changes: Any) -> Any:
        """Show the passkey as second factor."""
        asked = await self.ask_second(mfa_token)
        assert asked.status_code == 200, asked.text
        used = self.device.get(asked.json()["public_key"], **changes)
        return await self.verify(mfa_token, passkey=used)

    async def verify(self, mfa_token: str, **shown: Any) -> Any:
        """Send a second factor."""
        return await self.platform.client.post(
            "/v1/auth/mfa/verify", json={"mfa_token": mfa_token, **shown}
        )

    async def step_up(self, **changes: Any) -> Any:
        """Show the passkey to step up."""
        asked = (await self.post("/v1/me/mfa/step-up/options")).json()
        used = self.device.get(asked["public_key"], **changes)
        body = {"challenge_id": asked["challenge_id"], "passkey": used}
        return await self.post("/v1/me/mfa/step-up", body)

    async def sessions(self) -> int:
        """How many sessions the account has had."""
        rows = await self.platform.sql(
            "SELECT count(*) AS n FROM identity.sessions WHERE user_id = $1", self.person.id
        )
        return int(rows[0]["n"])

    @property
    def tenant(self) -> dict[str, str]:
        """Headers of anonymous calls."""
        return {"X-Tenant-Key": self.person.tenant_key} if self.person.tenant_key else {}


@pytest.fixture(scope="session")
def bare(platform: Platform) -> Callable[..., Awaitable[Keyed]]:
    """Return a function that makes somebody with an authenticator and no passkey."""

    async def make(person: Person | None = None, **about: Any) -> Keyed:
        return Keyed(platform, person or await platform.person(**about), {})

    return make


@pytest.fixture(scope="session")
def keyed(bare: Callable[..., Awaitable[Keyed]]) -> Callable[..., Awaitable[Keyed]]:
    """Return a function that makes somebody with a passkey."""

    async def make(**about: Any) -> Keyed:
        someone = await bare(**about)
        answer = await someone.register()
        assert answer.status_code == 201, answer.text
        return someone

    return make
