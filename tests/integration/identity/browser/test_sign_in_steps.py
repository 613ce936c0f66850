"""Steps of signing in that hold a token, in both languages: trust in a device, another password
than support's, a mail's link, an account elsewhere that is linked."""

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import pyotp
import pytest

from flatrender.testing.platform import PASSWORD, Person

TEMPORARY = "temporary-horse-battery-7"
OWN = "chosen-horse-battery-8"
Open = Callable[..., Awaitable["Screen"]]

both = pytest.mark.parametrize("language", ["en", "fa"])


class Screen:
    """The page in one language: things on it are named by the keys of its words."""

    def __init__(self, site: Any, tab: Any) -> None:
        self.site = site
        self.tab = tab

    async def words(self, key: str, *values: str) -> str:
        """Return what the page says for a key, in the language that it has now."""
        told = ", ".join(json.dumps(value) for value in (key, *values))
        said: str = await self.tab.run(f"import('/v1/auth/page/words.js').then((w) => w.t({told}))")
        return said

    async def speak(self, language: str) -> None:
        """Change the language of the page by its button where it has another."""
        await self.tab.until("document.body && document.body.dataset.ready === 'yes'")
        if await self.tab.run("document.documentElement.lang") != language:
            await self.tab.press("button", await self.words("other_label"))
            await self.tab.until(f"document.documentElement.lang === '{language}'")

    async def at(self, key: str, *values: str) -> None:
        """Wait until the page's heading says this."""
        await self.tab.find("heading", await self.words(key, *values))

    async def sees(self, key: str, *values: str) -> None:
        """Wait until the page says this."""
        await self.tab.sees(await self.words(key, *values))

    async def press(self, key: str, *values: str, role: str = "button") -> None:
        """Press what has these words on it."""
        await self.tab.press(role, await self.words(key, *values))

    async def fill(self, key: str, text: str) -> None:
        """Type into the field with this label."""
        await self.tab.fill(await self.words(key), text)

    async def log_in(self, person: Person, password: str = PASSWORD) -> None:
        """Show the address and a password."""
        await self.at("sign_in")
        await self.fill("identifier", person.email)
        await self.fill("password", password)
        await self.press("sign_in")

    async def rows(self, section: str, count: int) -> None:
        """Wait until a section of the account has so many rows."""
        await self.tab.until(f"document.querySelectorAll('#{section} li').length === {count}")

    async def boxes(self) -> int:
        """How many boxes to tick there are."""
        found: int = await self.tab.run("document.querySelectorAll('[type=checkbox]').length")
        return found


@pytest.fixture
def screen(site: Any, tab: Any) -> Open:
    """Return a function that opens the page, or one of its links, in a language."""

    async def make(language: str, fragment: str = "") -> Screen:
        await tab.open(site.page + fragment)
        made = Screen(site, tab)
        await made.speak(language)
        return made

    return make


async def _armed(site: Any) -> tuple[Person, pyotp.TOTP, list[str]]:
    """Make somebody with an authenticator app; returns it and their recovery codes."""
    person, client = await site.platform.person(), site.platform.client
    begun = (await client.post("/v1/me/mfa/totp", headers=person.headers)).json()
    totp = pyotp.TOTP(begun["secret"])
    done = await client.post(
        f"/v1/me/mfa/totp/{begun['factor_id']}/confirm",
        json={"code": totp.now()},
        headers=person.headers,
    )
    assert done.status_code == 200, done.text
    return person, totp, done.json()["recovery_codes"]


@both
async def test_a_trusted_device_is_not_asked_again_until_its_trust_ends(
    site: Any, tab: Any, screen: Open, language: str
) -> None:
    person, _, codes = await _armed(site)
    page = await screen(language)
    days = await tab.run(f"new Intl.NumberFormat('{language}').format(30)")

    async def second_step(code: str) -> None:
        await page.at("second")
        assert not await tab.run("document.querySelector('[type=checkbox]').checked")
        await page.press("use_recovery")
        await page.fill("recovery_code", code)

    await page.log_in(person)
    await second_step(codes[0])  # without the box nothing is trusted
    await page.press("confirm")
    await page.at("hello", "Test Person")
    await page.sees("trusted_none")
    await page.press("log_out")

    await page.log_in(person)
    await page.at("second")
    await page.press("trust", days, role="checkbox")
    await page.press("use_recovery")  # the other way to answer keeps the box
    await page.fill("recovery_code", codes[1])
    await page.press("confirm")
    await page.at("hello", "Test Person")
    await page.rows("trusted", 1)
    held = {c["name"]: c for c in (await tab.send("Network.getCookies"))["cookies"]}
    assert [c["httpOnly"] for name, c in held.items() if name.endswith("fr_trusted")] == [True]
    await page.press("log_out")
    await page.log_in(person)
    await page.at("hello", "Test Person")

    await page.rows("trusted", 1)
    name = await tab.run("document.querySelector('#trusted bdi').textContent")
    await tab.press("button", f"{await page.words('end')}: {name}")
    await page.sees("trusted_none")
    await page.press("log_out")
    await page.log_in(person)
    await second_step(codes[2])


@both
async def test_a_fragment_says_whether_the_device_may_be_trusted(
    screen: Open, tab: Any, language: str
) -> None:
    page = await screen(
        language, "#mfa_required=true&mfa_token=x&methods=totp,passkey&trust_days=0"
    )
    await page.at("second")
    assert await page.boxes() == 0
    await tab.open("about:blank")
    page = await screen(language, "#mfa_required=true&mfa_token=x&methods=passkey&trust_days=7")
    await page.at("second")
    days = await tab.run(f"new Intl.NumberFormat('{language}').format(7)")
    await tab.find("checkbox", await page.words("trust", days))
    await page.press("back", role="link")
    await page.at("sign_in")


@both
async def test_a_password_of_support_leads_to_another_one_and_in(
    site: Any, tab: Any, screen: Open, language: str
) -> None:
    admin, (person, _, codes) = await site.platform.admin(), await _armed(site)
    given = await site.platform.client.post(
        f"/v1/users/{person.id}/password",
        json={"reason": "asked on the phone", "password": TEMPORARY},
        headers=admin.headers,
    )
    assert given.status_code == 204, given.text
    page = await screen(language)
    await page.log_in(person, TEMPORARY)
    await page.at("choose")
    await tab.sees(person.email)
    other = {"en": "fa", "fa": "en"}[language]
    await page.speak(other)  # the token is in no address: the step stays
    await page.at("choose")
    await page.speak(language)
    await page.fill("new_password", TEMPORARY)
    await page.press("set_password")
    await tab.until("document.querySelector('input[name=password]').ariaInvalid === 'true'")
    await page.fill("new_password", OWN)
    await page.press("set_password")
    await page.at("second")  # a second factor stays one
    await page.press("use_recovery")
    await page.fill("recovery_code", codes[0])
    await page.press("confirm")
    await page.at("hello", "Test Person")
    await tab.sees(
        await tab.run(
            "import('/v1/auth/page/words.js').then((w) => w.kind('password_set_by_support'))"
        )
    )
    await page.press("log_out")
    await page.log_in(person, OWN)
    await page.at("second")


@both
async def test_a_mails_link_signs_in_when_its_button_is_pressed_and_another_sets_a_password(
    site: Any, tab: Any, screen: Open, language: str
) -> None:
    tenant, key = await site.platform.tenant()
    await site.platform.sql(
        """UPDATE identity.tenants SET policy = '{"link_page": "https://app.example/auth"}'
        WHERE id = $1""",
        tenant,
    )
    person = await site.platform.person(tenant_key=key)
    changed = await site.platform.client.patch(
        "/v1/me", json={"locale": language}, headers=person.headers
    )
    assert changed.status_code == 200, changed.text

    async def link(act: str, purpose: str) -> str:
        asked = await site.platform.client.post(
            f"/v1/auth/{act}", json={"identifier": person.email}, headers={"X-Tenant-Key": key}
        )
        assert asked.status_code == 202, asked.text
        page, _, fragment = (await site.fragment(person.email, purpose)).partition("#")
        assert page == "https://app.example/auth"
        return f"#{fragment}"

    arrived = await link("magic-link", "magic_link")
    await tab.open(site.page + arrived)
    page = Screen(site, tab)
    await tab.until("document.querySelector('#magic-link')")
    assert await tab.run("document.documentElement.lang") == language  # as the mail speaks
    assert await tab.run("location.href") == site.page
    entries = (await tab.send("Page.getNavigationHistory"))["entries"]
    assert not any("magic_link" in entry["url"] for entry in entries)
    used = await site.platform.sql(
        "SELECT count(*) AS n FROM identity.sessions WHERE user_id = $1", person.id
    )
    await page.press("sign_in")
    await page.at("hello", "Test Person")
    now = await site.platform.sql(
        "SELECT count(*) AS n FROM identity.sessions WHERE user_id = $1", person.id
    )
    assert now[0]["n"] == used[0]["n"] + 1  # opening the page alone signed nobody in
    await page.press("log_out")
    await tab.open("about:blank")
    await screen(language, arrived)
    await page.press("sign_in")
    await tab.until("[...document.querySelectorAll('.error')].some((e) => e.textContent)")

    await tab.open("about:blank")
    await screen(language, await link("recovery", "reset_password"))
    await page.at("recovery")
    await page.fill("new_password", OWN)
    await page.press("set_password")
    await page.sees("recovered")
    answer = await site.platform.client.post(
        "/v1/auth/login",
        json={"identifier": person.email, "password": OWN},
        headers={"X-Tenant-Key": key},
    )
    assert answer.status_code == 200, answer.text


@both
async def test_an_account_elsewhere_is_linked_from_the_account_and_signs_in(
    site: Any, tab: Any, screen: Open, language: str
) -> None:
    await site.offer(await site.platform.admin())
    google = {"en": "Google", "fa": "گوگل"}[language]
    person = await site.platform.person()
    theirs = f"w-{secrets.token_hex(6)}@example.com"
    site.provider.person = {"sub": secrets.token_hex(8), "email": theirs, "email_verified": True}
    page = await screen(language)
    await page.log_in(person)
    await page.at("hello", "Test Person")
    await page.sees("linked_none")
    await page.press("link_with", google)
    await page.at("proof")
    await page.fill("password", PASSWORD)
    await page.press("confirm")
    await page.sees("linked_done")
    await page.rows("linked", 1)
    await tab.sees(theirs)
    assert await tab.run("location.href") == f"{site.page}#/account"
    entries = (await tab.send("Page.getNavigationHistory"))["entries"]
    assert not any("link_code=" in entry["url"] for entry in entries)

    await page.press("log_out")
    await page.press("with_provider", google, role="link")
    await page.at("hello", "Test Person")  # the account that was linked, and no new one
    await page.rows("linked", 1)
    await tab.press("button", f"{await page.words('unlink')}: google")
    await page.at("proof")
    await page.fill("password", PASSWORD)
    await page.press("confirm")
    await page.sees("linked_none")
