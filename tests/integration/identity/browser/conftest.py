"""A server process, a browser, a mail server and a provider: nothing between them is ours."""

import re
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "emulators"))

from chromium import Chromium, Page, chromium, find_browser  # the path is above
from mail_server import MailServer, mail_server_on_loopback
from openid_provider import SECRET, OpenIdProvider

from flatrender.testing.platform import Person, Platform
from flatrender.testing.plugin import TestDatabase
from flatrender.testing.serving import serve_app
from flatrender.testing.waiting import until
from flatrender.testing.workers import api_process, free_port, worker

_CODE = re.compile(r"(?<![\d۰-۹])\d{6}(?!\d)")
_LINK = re.compile(r"http://localhost:\d+/\S+#\S+")


class Site:
    """A deployment behind its own port, as a person's browser finds it."""

    def __init__(
        self, url: str, platform: Platform, mails: MailServer, provider: OpenIdProvider
    ) -> None:
        self.url = url
        self.platform = platform
        self.mails = mails
        self.provider = provider

    @property
    def page(self) -> str:
        """The sign-in page."""
        return f"{self.url}/v1/auth/page"

    async def mail(self, address: str, pattern: re.Pattern[str], *, number: int = 1) -> str:
        """Return what the ``number``th mail that fits says, once it has come."""

        async def look() -> str | None:
            texts = [cast("Any", m.get_body(("plain",))).get_content() for m in self._to(address)]
            fitting = [found.group() for text in texts if (found := pattern.search(text))]
            return fitting[number - 1] if len(fitting) >= number else None

        return await until(look)

    async def code(self, address: str, *, number: int = 1) -> str:
        """Return the code of the ``number``th mail with one."""
        return await self.mail(address, _CODE, number=number)

    async def link(self, address: str, *, number: int = 1) -> str:
        """Return the link of the ``number``th mail with one."""
        return await self.mail(address, _LINK, number=number)

    async def fragment(self, address: str, purpose: str) -> str:
        """Return the link of a mail with a token for this, whatever page it names."""
        return await self.mail(address, re.compile(rf"https?://\S+#{purpose}=\S+"))

    async def offer(self, admin: Person, **changes: Any) -> None:
        """Set the provider up as an administrator does."""
        body = {
            "driver": "oidc",
            "name_fa": "گوگل",
            "name_en": "Google",
            "client_id": "client-of-google",
            "client_secret": SECRET,
            "issuer": self.provider.issuer,
            "return_urls": [self.page],
            "enabled": True,
            "reason": "for tests",
            **changes,
        }
        answer = await self.platform.client.put(
            "/v1/admin/oauth/google", json=body, headers=admin.headers
        )
        assert answer.status_code == 200, answer.text

    def _to(self, address: str) -> list[Any]:
        return self.mails.to(address)


# Of the package: a browser and a server with its worker are not kept running for other tests.
@pytest.fixture(scope="package")
async def site(
    server_environment: dict[str, str], clone_database: Callable[[], TestDatabase]
) -> AsyncIterator[Site]:
    """A server process on localhost with its worker, its mail and its provider."""
    if find_browser() is None:
        pytest.skip("no Chromium on PATH, and FLATRENDER_TEST_BROWSER names none")
    provider = OpenIdProvider()
    url = f"http://localhost:{free_port()}"
    async with mail_server_on_loopback() as mails, serve_app(provider) as provider_at:
        provider.issuer = f"http://{provider_at}"
        provider.clients["client-of-google"] = (SECRET, {f"{url}/v1/auth/google/callback"})
        environment = {
            **server_environment,
            **mails.environment,
            "FLATRENDER_DATABASE_NAME": clone_database().name,
            "FLATRENDER_VALKEY_PREFIX": f"{server_environment['FLATRENDER_VALKEY_PREFIX']}-web",
            "FLATRENDER_SECURITY_ALLOW_LOOPBACK": "true",
            "FLATRENDER_HTTP_PUBLIC_URL": url,
            "FLATRENDER_HTTP_DEVELOPMENT_PAGES": "true",
        }
        async with (
            api_process(environment, url) as client,
            worker(environment) as working,
        ):
            yield Site(url, Platform(working.runtime, client, None), mails, provider)


@pytest.fixture(scope="package")
async def browser(site: Site) -> AsyncIterator[Chromium]:
    """A running Chromium."""
    program = find_browser()
    assert program is not None
    async with chromium(program) as running:
        yield running


@pytest.fixture
async def tab(browser: Chromium) -> AsyncIterator[Page]:
    """An empty tab with a profile of its own; it and what the test opened beside it close."""
    yield await browser.page()
    await browser.close_pages()
