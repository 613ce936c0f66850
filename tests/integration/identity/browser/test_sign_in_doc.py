"""The snippets of docs/sign-in.md, run in a real browser in the order in which they stand."""

import json
import re
import secrets
import time
from pathlib import Path
from typing import Any

import pyotp
import pytest

from flatrender.testing.platform import PASSWORD

DOC = Path(__file__).parents[4] / "docs" / "sign-in.md"
_SNIPPET = re.compile(r"^```js\n(.*?)^```", re.MULTILINE | re.DOTALL)
NEW_PASSWORD = f"{PASSWORD}-new"


class Frontend:
    """A page that holds the snippets."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab

    async def load(self, where: str) -> None:
        """Open a page and put every snippet into it."""
        await self.tab.open(where)
        await self.tab.until("document.body && document.body.dataset.ready === 'yes'")
        await self.read()

    async def read(self) -> None:
        """Run every snippet of the document."""
        for snippet in _SNIPPET.findall(DOC.read_text("utf-8")):
            await self.tab.run(snippet + "\nundefined")

    async def do(self, name: str, *values: Any) -> Any:
        """Call a function of the snippets; a refusal comes as its code."""
        told = ", ".join(json.dumps(value) for value in values)
        return await self.tab.run(f"({name})({told}).catch((p) => p.code ?? String(p))")


@pytest.fixture
async def frontend(site: Any, tab: Any) -> Frontend:
    """A page with the snippets."""
    made = Frontend(tab)
    await made.load(site.page)
    return made


async def _account(site: Any, frontend: Frontend) -> str:
    address = f"d-{secrets.token_hex(6)}@example.com"
    assert (await frontend.do("register", address, PASSWORD))["status"] == "accepted"
    await frontend.do("verify", address, await site.code(address))
    return address


async def test_registering_token_mode_renewal_and_sessions(site: Any, frontend: Frontend) -> None:
    address = await _account(site, frontend)
    assert await frontend.do("logIn", address, "not the password") == "invalid_credentials"
    me = await frontend.do("logIn", address, PASSWORD)
    assert (me["email"], me["email_verified"]) == (address, True)
    await frontend.do("logIn", address, PASSWORD)
    first, *_ = await frontend.do("sessions")
    assert first["current"]
    await frontend.do("nameSession", first["id"], "My laptop")
    assert (await frontend.do("sessions"))[0]["device_name"] == "My laptop"
    old = await frontend.tab.run("tokens.refresh_token")
    renewed = await frontend.tab.run("Promise.all([renew(), renew()]).then((r) => r[1].email)")
    assert renewed == address
    assert await frontend.tab.run("tokens.refresh_token") != old
    assert await frontend.do("endOthers") == 1
    assert len(await frontend.do("sessions")) == 1
    faults = await frontend.tab.run(
        "register('no-address', 'x').catch((p) => [p.status, faultsByField(p)])"
    )
    assert faults[0] == 422
    assert set(faults[1]) == {"email"}


async def test_browser_mode(site: Any, frontend: Frontend) -> None:
    address = await _account(site, frontend)
    assert await frontend.do("resume") == "invalid_refresh_token"
    answer = await frontend.do("browserLogIn", address, PASSWORD)
    assert "access_token" not in answer
    assert await frontend.tab.run("document.cookie") == ""
    await frontend.load(site.page)  # loaded anew
    await frontend.do("resume")
    ended = await frontend.do("browserCall", "POST", "/v1/me/sessions/end-others", {})
    assert ended == {"ended": 0}
    await frontend.tab.run("csrf = 'of-somebody-else'")
    refused = await frontend.do("browserCall", "POST", "/v1/me/sessions/end-others", {})
    assert refused == "csrf_token_invalid"
    await frontend.do("resume")
    await frontend.do("logOut")
    assert await frontend.do("resume") == "invalid_refresh_token"


async def test_factors_and_passkeys(site: Any, frontend: Frontend) -> None:
    address = await _account(site, frontend)
    await frontend.tab.authenticator()
    await frontend.do("logIn", address, PASSWORD)
    begun = await frontend.do("beginTotp")
    totp = pyotp.TOTP(begun["secret"])
    early = totp.at(int(time.time()), counter_offset=-1)
    codes = await frontend.do("confirmTotp", begun["factor_id"], early)
    assert len(codes) == 10
    assert await frontend.do("addPasskey", "My key", {}) == []

    pending = await frontend.do("logIn", address, PASSWORD)
    assert pending["methods"] == ["totp", "passkey", "recovery_code"]
    me = await frontend.do("secondStep", pending["mfa_token"], totp.now())
    assert me["email"] == address
    pending = await frontend.do("logIn", address, PASSWORD)
    assert pending["trust_days"] == 30
    me = await frontend.do("secondStep", pending["mfa_token"], codes[1], True)
    assert me["email"] == address
    assert (await frontend.do("logIn", address, PASSWORD))["email"] == address  # trusted
    await frontend.tab.run("localStorage.removeItem('trusted_device_token')")
    pending = await frontend.do("logIn", address, PASSWORD)
    me = await frontend.do("secondStepByPasskey", pending["mfa_token"])
    assert me["email"] == address
    assert (await frontend.do("logInByPasskey"))["email"] == address

    await site.platform.sql(
        "UPDATE identity.sessions s SET mfa_at = now() - interval '1 hour' "
        "FROM identity.users u WHERE u.id = s.user_id AND u.email_key = $1",
        address,
    )
    await frontend.do("renew")
    fresh = await frontend.tab.run(
        "sensitive(() => asMe('POST', '/v1/me/mfa/recovery-codes'), "
        f"async () => {json.dumps(codes[0])}).then((a) => a.recovery_codes)"
    )
    assert len(set(fresh) - set(codes)) == 10


@pytest.mark.parametrize("delivery", ["fragment", "code"])
async def test_a_provider(site: Any, frontend: Frontend, delivery: str) -> None:
    # A page that leaves the fragment to the snippets: the picture of a link that is not whole.
    page = f"{site.url}/v1/auth/link"
    await site.offer(await site.platform.admin(), return_urls=[site.page, page])
    email = f"d-{secrets.token_hex(6)}@example.com"
    site.provider.person = {"sub": secrets.token_hex(8), "email": email, "email_verified": True}
    await frontend.tab.open(page)
    await frontend.tab.until(
        "location.pathname === '/v1/auth/link' && document.readyState === 'complete'"
    )
    await frontend.read()
    await frontend.tab.open(await frontend.do("startOf", "google", delivery))
    await frontend.tab.until("location.pathname === '/v1/auth/link' && location.hash.length > 9")
    await frontend.read()
    arrived = await frontend.do("arrive")
    me = await frontend.do("asMe", "GET", "/v1/me")
    assert me["email"] == email, arrived
    assert await frontend.tab.run("location.href") == page


async def test_codes_by_mail(site: Any, frontend: Frontend) -> None:
    address = await _account(site, frontend)
    await frontend.do("askMagic", address)
    me = await frontend.do("logInByCode", address, await site.code(address, number=2))
    assert me["email"] == address
    await frontend.do("askRecovery", address)
    await frontend.do("recover", address, await site.code(address, number=3), NEW_PASSWORD)
    assert await frontend.do("asMe", "GET", "/v1/me") == "session_ended"
    assert await frontend.do("logIn", address, PASSWORD) == "invalid_credentials"
    assert (await frontend.do("logIn", address, NEW_PASSWORD))["email"] == address


async def test_a_password_of_support(site: Any, frontend: Frontend) -> None:
    admin, person = await site.platform.admin(), await site.platform.person()
    given = await site.platform.client.post(
        f"/v1/users/{person.id}/password",
        json={"reason": "asked on the phone", "password": "temporary-horse-battery-7"},
        headers=admin.headers,
    )
    assert given.status_code == 204, given.text
    pending = await frontend.do("logIn", person.email, "temporary-horse-battery-7")
    assert pending["password_change_required"] is True
    me = await frontend.do("choosePassword", pending["token"], person.email, NEW_PASSWORD)
    assert me["email"] == person.email
