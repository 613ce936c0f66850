"""A platform that may call the loopback, two OpenID providers there, and browsers."""

import ipaddress
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

import httpx
import pyotp
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "emulators"))

from openid_provider import HOME, PAGE, SECRET, OpenIdProvider, bearer  # the path is above

from flatrender.testing.platform import Person, Platform, run_platform
from flatrender.testing.plugin import TestDatabase
from flatrender.testing.serving import serve_app


def _place() -> str:
    """Return an address that nobody else calls from: limits by address are not met here."""
    return str(ipaddress.IPv4Address(secrets.randbits(24) | 10 << 24))


class Browser:
    """A person's browser: keeps our cookies, follows nothing by itself."""

    def __init__(self, deployment: "Deployment") -> None:
        self.deployment = deployment
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=deployment.platform.app, raise_app_exceptions=False),
            base_url=HOME,
            headers={"user-agent": f"Browser {secrets.token_hex(4)}", "x-forwarded-for": _place()},
        )

    async def get(self, url: str) -> httpx.Response:
        """Open an address of ours, from an address of its own."""
        return await self.client.get(url, headers={"x-forwarded-for": _place()})

    async def begin(self, name: str = "google", **query: str) -> str:
        """Press "sign in with"; returns where the provider's page is."""
        asked = httpx.QueryParams(query)
        answer = await self.get(f"/v1/auth/{name}/start?{asked}")
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    async def consent(self, page: str) -> str:
        """Say yes there (or no, as the provider's person does); returns the way back."""
        async with httpx.AsyncClient() as outside:
            while not page.startswith(HOME):
                answer = await outside.get(page)
                assert answer.next_request is not None, answer.text
                page = str(answer.next_request.url)
        return page

    async def back(self, where: str) -> dict[str, str]:
        """Follow the way back; returns the fragment of the page that it leads to."""
        answer = await self.get(where)
        assert answer.status_code == 302, answer.text
        page, _, fragment = answer.headers["location"].partition("#")
        assert page == PAGE
        assert answer.headers["cache-control"] == "no-store"
        return dict(parse_qsl(fragment))

    async def sign_in(self, name: str = "google", **query: str) -> dict[str, str]:
        """Sign in from beginning to end; returns the fragment."""
        return await self.back(await self.consent(await self.begin(name, **query)))

    async def me(self, fragment: dict[str, str]) -> dict[str, Any]:
        """Return the account that the tokens of a fragment open."""
        answer = await self.client.get("/v1/me", headers=bearer(fragment))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()


class Deployment:
    """The platform, its administrator and its providers: ``google`` and ``other``."""

    def __init__(
        self, platform: Platform, google: OpenIdProvider, other: OpenIdProvider, admin: Person
    ) -> None:
        self.platform = platform
        self.google = google
        self.other = other
        self.admin = admin

    async def save(self, name: str, provider: OpenIdProvider, **changes: Any) -> httpx.Response:
        """Set a provider up as an administrator."""
        body = {
            "driver": "oidc",
            "client_id": f"client-of-{name}",
            "client_secret": SECRET,
            "issuer": provider.issuer,
            "return_urls": [PAGE],
            "enabled": True,
            "reason": "for tests",
            **changes,
        }
        return await self.platform.client.put(
            f"/v1/admin/oauth/{name}", json=body, headers=self.admin.headers
        )

    def browser(self) -> Browser:
        """A fresh browser."""
        return Browser(self)

    async def count(self, table: str, email: str) -> int:
        """How many rows of a table belong to the account with an address."""
        rows = await self.platform.sql(
            f"SELECT count(*) AS n FROM identity.{table} t JOIN identity.users u "
            "ON u.id = t.user_id WHERE u.email_key = $1",
            email,
        )
        return int(rows[0]["n"])


@pytest.fixture(scope="session")
async def deployment_of_providers(
    server_environment: dict[str, str], clone_database: Callable[[], TestDatabase]
) -> AsyncIterator[Deployment]:
    """The platform beside its providers."""
    google, other = OpenIdProvider(), OpenIdProvider()
    changes = {
        "FLATRENDER_DATABASE_NAME": clone_database().name,
        "FLATRENDER_SECURITY_ALLOW_LOOPBACK": "true",
        "FLATRENDER_SECURITY_COOKIE_SECURE": "true",
        "FLATRENDER_HTTP_PUBLIC_URL": HOME,
        "FLATRENDER_VALKEY_PREFIX": f"{server_environment['FLATRENDER_VALKEY_PREFIX']}-oauth",
    }
    async with (
        serve_app(google) as google_at,
        serve_app(other) as other_at,
        run_platform({**server_environment, **changes}, worker=False) as platform,
    ):
        google.issuer, other.issuer = f"http://{google_at}", f"http://{other_at}"
        made = Deployment(platform, google, other, await platform.admin())
        for name, provider in (("google", google), ("other", other)):
            back = f"{HOME}/v1/auth/{name}/callback"
            provider.clients[f"client-of-{name}"] = (SECRET, {back})
        yield made


@pytest.fixture
async def deployment(deployment_of_providers: Deployment) -> Deployment:
    """The deployment as set up, its providers honest."""
    made = deployment_of_providers
    made.google.reset()
    made.other.reset()
    for name, provider in (("google", made.google), ("other", made.other)):
        answer = await made.save(name, provider)
        assert answer.status_code == 200, answer.text
    return made


@pytest.fixture
async def browser(deployment: Deployment) -> AsyncIterator[Browser]:
    """Somebody's browser."""
    async with deployment.browser() as opened:
        yield opened


Arm = Callable[[dict[str, str]], Awaitable[pyotp.TOTP]]


@pytest.fixture
def with_totp(deployment: Deployment) -> Arm:
    """Return a function that gives the account of a fragment's tokens a second factor."""

    async def make(headers: dict[str, str]) -> pyotp.TOTP:
        client = deployment.platform.client
        enrolled = await client.post("/v1/me/mfa/totp", headers=headers)
        totp = pyotp.TOTP(enrolled.json()["secret"])
        confirmed = await client.post(
            f"/v1/me/mfa/totp/{enrolled.json()['factor_id']}/confirm",
            json={"code": totp.now()},
            headers=headers,
        )
        assert confirmed.status_code == 200, confirmed.text
        return totp

    return make
