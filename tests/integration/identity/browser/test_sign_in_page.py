"""The development page in a real browser: what docs/sign-in.md tells a frontend to do works."""

import os
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pyotp
import pytest

from flatrender.testing.platform import PASSWORD

EMAIL, SIGN_IN = "E-mail or mobile", "Sign in"
HASHES = ("#/", "#/register", "#/verify", "#/code", "#/recovery")
Shoot = Callable[..., Awaitable[None]]


@pytest.fixture
def shoot() -> Shoot:
    """Return a function that keeps a picture of a tab where FLATRENDER_TEST_SCREENSHOTS says."""
    folder = os.environ.get("FLATRENDER_TEST_SCREENSHOTS")

    async def keep(tab: Any, name: str) -> None:
        if folder:
            await tab.screenshot(Path(folder) / f"{name}.png")

    return keep


def _address() -> str:
    return f"w-{secrets.token_hex(6)}@example.com"


async def _english(tab: Any, site: Any) -> None:
    await tab.open(site.page)
    await tab.press("button", "Change the language to English")
    await tab.find("heading", SIGN_IN)


async def _register(tab: Any, site: Any) -> str:
    """Make an account on the English page and prove its address; returns it."""
    address = _address()
    await tab.press("link", "Create an account")
    await tab.fill("Name", "Sara")
    await tab.fill(EMAIL, address)
    await tab.fill("Password", PASSWORD)
    await tab.press("button", "Create an account")
    await tab.find("heading", "Verify your address")
    await tab.fill("Code", await site.code(address))
    await tab.press("button", "Confirm")
    await tab.sees("Your address is verified.")
    return address


async def _log_in(tab: Any, address: str) -> None:
    await tab.find("heading", SIGN_IN)
    await tab.fill(EMAIL, address)
    await tab.fill("Password", PASSWORD)
    await tab.press("button", SIGN_IN)


async def _arm(tab: Any) -> tuple[pyotp.TOTP, list[str]]:
    """Set an authenticator app up; returns it and the recovery codes."""
    await tab.press("button", "Set up an authenticator app")
    assert await tab.until("document.querySelector('.qr')?.naturalWidth > 50")
    totp = pyotp.TOTP(await tab.run("document.querySelector('#secret').textContent"))
    # Codes of the step before, this one and the next are right, each once: none need be waited for.
    await tab.fill("Code of your authenticator app", totp.at(int(time.time()), counter_offset=-1))
    await tab.press("button", "Confirm")
    await tab.find("heading", "Recovery codes")
    codes = await tab.run("[...document.querySelectorAll('#codes li')].map((e) => e.textContent)")
    await tab.press("button", "I have kept them")
    await tab.sees("10 recovery codes are left.")
    return totp, codes


def _clean(tab: Any) -> None:
    """No script failed and no policy refused anything; a refused call is the server's answer."""
    assert [f for f in tab.faults if not re.match(r"network: .* status of 4\d\d", f)] == []


async def test_from_registering_to_a_second_factor_and_sessions(
    site: Any, browser: Any, tab: Any, shoot: Shoot
) -> None:
    await _english(tab, site)
    await shoot(tab, "en-sign-in")
    address = await _register(tab, site)
    await shoot(tab, "en-verified")
    await _log_in(tab, address)
    await tab.find("heading", "Hello, Sara")
    assert "verified" in await tab.run("document.querySelector('.mark-good').textContent")
    await shoot(tab, "en-account")
    totp, codes = await _arm(tab)
    assert len(set(codes)) == 10

    await tab.press("button", "Log out")
    await _log_in(tab, address)
    await tab.find("heading", "Second step")
    await shoot(tab, "en-second-step")
    field = "Code of your authenticator app"
    await tab.fill(field, "000000" if totp.now() != "000000" else "111111")
    await tab.press("button", "Confirm")
    await tab.until("document.querySelector('input[name=code]').ariaInvalid === 'true'")
    await tab.sees("The code is not right")
    await tab.fill(field, totp.now())
    await tab.press("button", "Confirm")
    await tab.find("heading", "Hello, Sara")

    other = await browser.page()
    await _english(other, site)
    await _log_in(other, address)
    await other.press("button", "Use a recovery code")
    await other.fill("Recovery code", codes[0])
    await other.press("button", "Confirm")
    await other.find("heading", "Hello, Sara")

    await tab.open(site.page)
    await tab.until("document.querySelectorAll('#sessions li').length === 2")
    await tab.press(
        "button",
        "Name it: {}".format(await tab.run("document.querySelector('#sessions bdi').textContent")),
    )
    await tab.fill("Name of the device", "Sara's laptop")
    await tab.press("button", "Save")
    await tab.sees("Sara's laptop")
    await shoot(tab, "en-account-armed")
    await tab.press("button", "End the other sessions")
    await tab.sees("1 session ended.")
    await tab.until("document.querySelectorAll('#sessions li').length === 1")
    await other.press("button", "New recovery codes")
    await other.sees("The session has ended")
    await tab.sees("Two-step sign-in turned on")
    _clean(tab)


async def test_a_passkey_is_made_signs_in_and_is_removed(site: Any, tab: Any, shoot: Shoot) -> None:
    await _english(tab, site)
    await tab.authenticator()
    await tab.press("button", "Sign in with a passkey")  # there is none yet
    await tab.sees("The passkey was not used.")
    address = await _register(tab, site)
    await _log_in(tab, address)
    await tab.press("button", "Add a passkey")
    await tab.find("heading", "Add a passkey")
    await tab.fill("Name of the passkey", "Sara's key")
    await tab.key("Enter")
    await tab.find("heading", "Is it you?")
    await tab.fill("Password", "not the password of this account")
    await tab.press("button", "Confirm")
    await tab.sees("This needs the present password")
    await tab.fill("Password", PASSWORD)
    await tab.press("button", "Confirm")
    await tab.find("heading", "Recovery codes")
    await shoot(tab, "en-recovery-codes")
    await tab.press("button", "I have kept them")
    await tab.sees("The passkey was added.")
    await tab.sees("Sara's key")
    await shoot(tab, "en-passkeys")

    await tab.press("button", "Log out")
    await tab.press("button", "Sign in with a passkey")
    await tab.find("heading", "Hello, Sara")
    await tab.sees("Sara's key")
    await tab.press("button", "Log out")
    await _log_in(tab, address)
    await tab.find("heading", "Second step")
    await tab.press("button", "Use a passkey")
    await tab.find("heading", "Hello, Sara")

    await tab.press("button", "Remove: Sara's key")  # the last factor: the session goes with it
    await tab.sees("Two-step sign-in is off; sign in again.")
    await tab.press("button", "Sign in with a passkey")
    await tab.sees("The passkey was not accepted")
    await _log_in(tab, address)
    await tab.find("heading", "Hello, Sara")
    await tab.sees("Passkey removed")
    _clean(tab)


async def test_a_sensitive_act_asks_for_the_factor_again(site: Any, tab: Any) -> None:
    await _english(tab, site)
    address = await _register(tab, site)
    await _log_in(tab, address)
    totp, codes = await _arm(tab)
    await site.platform.sql(
        "UPDATE identity.sessions s SET mfa_at = now() - interval '1 hour' "
        "FROM identity.users u WHERE u.id = s.user_id AND u.email_key = $1",
        address,
    )
    await tab.run(
        "fetch('/v1/auth/csrf').then((a) => a.json()).then((told) => fetch("
        "'/v1/auth/refresh', {method: 'POST', body: '{}', headers: {'Content-Type': "
        "'application/json', 'X-CSRF-Token': told.csrf_token}}))"
    )
    await tab.press("button", "New recovery codes")
    await tab.find("heading", "Is it you?")
    field = "Code of your authenticator app / Recovery code"
    await tab.fill(field, "AAAAA-AAAAA")
    await tab.press("button", "Confirm")
    await tab.sees("The code is not right")
    await tab.fill(field, totp.now())
    await tab.press("button", "Confirm")
    await tab.find("heading", "Recovery codes")
    fresh = await tab.run("[...document.querySelectorAll('#codes li')].map((e) => e.textContent)")
    assert not set(fresh) & set(codes)
    await tab.key("Escape")
    await tab.sees("10 recovery codes are left.")
    _clean(tab)


async def test_a_google_account_signs_in_by_a_code_in_the_fragment(
    site: Any, tab: Any, shoot: Shoot
) -> None:
    await site.offer(await site.platform.admin())
    who = {"sub": secrets.token_hex(8), "email": _address(), "email_verified": True, "name": "Omid"}
    site.provider.person = who
    await _english(tab, site)
    await tab.find("link", "Continue with Google")
    await shoot(tab, "en-google")
    await tab.press("link", "Continue with Google")
    await tab.find("heading", "Hello, Omid")
    await tab.sees(who["email"])
    assert await tab.run("location.href") == f"{site.page}#/account"
    entries = (await tab.send("Page.getNavigationHistory"))["entries"]
    assert not any("code=" in entry["url"].partition("#")[2] for entry in entries)
    await tab.sees("Account linked")

    await tab.press("button", "Log out")
    site.provider.person = None  # who says no there is told so here
    await tab.press("link", "Continue with Google")
    await tab.sees("oauth denied")
    await tab.find("heading", SIGN_IN)
    _clean(tab)


async def test_a_code_by_mail_signs_in_and_another_sets_a_new_password(site: Any, tab: Any) -> None:
    await _english(tab, site)
    address = await _register(tab, site)
    await tab.press("link", "Sign in with a code")
    await tab.fill(EMAIL, address)
    await tab.press("button", "Send a code")
    await tab.sees(address)
    await tab.fill("Code", await site.code(address, number=2))
    await tab.press("button", "Confirm")
    await tab.find("heading", "Hello, Sara")
    await tab.press("button", "Log out")
    await tab.press("link", "Forgot your password?")
    await tab.fill(EMAIL, address)
    await tab.press("button", "Send a code")
    await tab.fill("Code", await site.code(address, number=3))
    await tab.fill("New password", f"{PASSWORD}-new")
    await tab.press("button", "Set password")
    await tab.sees("The new password is set.")
    await _log_in(tab, address)
    await tab.sees("The address or the password is not right")
    await tab.fill("Password", f"{PASSWORD}-new")
    await tab.press("button", SIGN_IN)
    await tab.find("heading", "Hello, Sara")
    _clean(tab)


@pytest.mark.parametrize(
    ("language", "named", "pressed"),
    [("en", "Password", "Create an account"), ("fa", "گذرواژه", "ساختن حساب")],
)
async def test_a_refusal_stands_at_the_field_that_its_pointer_names(
    site: Any, tab: Any, shoot: Shoot, language: str, named: str, pressed: str
) -> None:
    if language == "en":
        await _english(tab, site)
    await tab.open(f"{site.page}#/register")
    await tab.find("heading", pressed)
    box = "document.querySelector('input[name={}]')"
    address, password = box.format("address"), box.format("password")
    await tab.run(f"({address}).focus()")
    await tab.send("Input.insertText", text="no-address")
    await tab.fill(named, PASSWORD)
    await tab.press("button", pressed)
    await tab.until(f"{address}.ariaInvalid === 'true' && document.activeElement === {address}")
    told = f"document.getElementById({address}.getAttribute('aria-describedby')).textContent"
    right = {"en": "This is not an e-mail address", "fa": "نشانی ایمیل درست نیست"}[language]
    assert await tab.run(told) == right
    assert await tab.run(f"{password}.ariaInvalid") is None
    await shoot(tab, f"{language}-field-error")
    await tab.run(f"({address}).select()")
    await tab.send("Input.insertText", text=_address())
    await tab.fill(named, "short")
    await tab.press("button", pressed)
    await tab.until(f"{password}.ariaInvalid === 'true' && document.activeElement === {password}")
    assert await tab.run(f"{address}.ariaInvalid") is None
    _clean(tab)


async def test_persian_runs_from_right_to_left_and_fits_a_phone(
    site: Any, browser: Any, shoot: Shoot
) -> None:
    tab = await browser.page(width=360, height=740)
    await tab.open(site.page)
    await tab.find("heading", "ورود")
    assert await tab.run("document.documentElement.lang") == "fa"
    assert await tab.run("getComputedStyle(document.querySelector('main')).direction") == "rtl"
    assert await tab.run("getComputedStyle(document.querySelector('input')).direction") == "ltr"
    assert await tab.until("document.fonts.check('16px Vazirmatn') && document.fonts.size > 0")
    mark = "document.querySelector('.brand').getBoundingClientRect()"
    assert await tab.run(f"{mark}.left > innerWidth / 2"), "the brand stands at the right"
    fits = "document.documentElement.scrollWidth <= 360"
    for place in HASHES:
        await tab.run(f"location.hash = '{place}'")
        await tab.until("document.querySelector('h1') === document.activeElement")
        assert await tab.run(fits), place
        await shoot(tab, f"fa-phone-{place.strip('#/') or 'sign-in'}")
    person = await site.platform.person()
    await tab.run("location.hash = '#/'")
    await tab.fill("ایمیل یا شمارهٔ همراه", person.email)
    await tab.fill("گذرواژه", PASSWORD)
    await tab.press("button", "ورود")
    await tab.find("heading", "سلام، Test Person")
    await tab.until("document.querySelectorAll('#sessions li').length === 2")
    assert await tab.run(fits)
    await shoot(tab, "fa-phone-account")
    await tab.size(900, 900)
    await shoot(tab, "fa-account")
    _clean(tab)


async def test_the_keyboard_alone_is_enough(site: Any, tab: Any) -> None:
    await _english(tab, site)
    assert await tab.focused() == SIGN_IN
    order = []
    for _ in range(4):
        await tab.key("Tab")
        order.append(await tab.focused())
    assert order == [EMAIL, "Password", SIGN_IN, "Forgot your password?"]
    person = await site.platform.person()
    await tab.open(site.page)
    await tab.find("heading", SIGN_IN)
    await tab.key("Tab")
    await tab.send("Input.insertText", text=person.email)
    await tab.key("Tab")
    await tab.send("Input.insertText", text=PASSWORD)
    await tab.key("Enter")
    await tab.find("heading", "Hello, Test Person")
    _clean(tab)


async def test_a_link_of_a_mail_acts_when_its_button_is_pressed(
    site: Any, browser: Any, shoot: Shoot
) -> None:
    address = (await site.platform.person()).email
    link = await site.link(address)

    async def proven() -> bool:
        rows = await site.platform.sql(
            "SELECT email_verified_at IS NOT NULL AS yes FROM identity.users WHERE email_key = $1",
            address,
        )
        return bool(rows[0]["yes"])

    for _ in range(2):  # a scanner and a preview run scripts as well: they press nothing
        opened = await browser.page()
        await opened.open(link)
        await opened.find("button", "تأیید")
    assert not await proven()
    tab = await browser.page(width=360, height=740)
    await tab.open(link)
    await tab.find("heading", "تأیید ایمیل")
    assert await tab.run("getComputedStyle(document.body).direction") == "rtl"
    assert await tab.run("document.documentElement.scrollWidth <= 360")
    await shoot(tab, "fa-link")
    await tab.press("button", "تأیید")
    await tab.sees("انجام شد.")
    assert await proven()
    late = await browser.page()
    await late.open(link)
    await late.press("button", "تأیید")
    await late.sees("این پیوند دیگر معتبر نیست")
    _clean(tab)


async def test_an_access_token_that_is_over_is_renewed_once_for_all_calls(
    site: Any, tab: Any
) -> None:
    await _english(tab, site)
    address = (await site.platform.person()).email
    await _log_in(tab, address)
    await tab.find("heading", "Hello, Test Person")
    await tab.until("document.querySelectorAll('#log li').length > 0")
    held = {c["name"]: c for c in (await tab.send("Network.getCookies"))["cookies"]}
    assert all(cookie["httpOnly"] for cookie in held.values())
    (access,) = [name for name in held if name.endswith("fr_access")]
    (refresh,) = [name for name in held if name.endswith("fr_refresh")]
    await tab.send("Network.deleteCookies", name=access, url=site.url)
    await tab.press("button", "تغییر زبان به فارسی")
    await tab.find("heading", "سلام، Test Person")
    await tab.until("document.querySelectorAll('#log li').length > 0")
    after = {c["name"]: c for c in (await tab.send("Network.getCookies"))["cookies"]}
    assert access in after
    assert after[refresh]["value"] != held[refresh]["value"]
    counter = await site.platform.sql(
        "SELECT max(s.counter) AS n FROM identity.sessions s JOIN identity.users u "
        "ON u.id = s.user_id WHERE u.email_key = $1",
        address,
    )
    assert counter[0]["n"] == 1
    _clean(tab)


async def test_both_languages_have_every_word(site: Any, tab: Any) -> None:
    await tab.open(site.page)
    await tab.find("heading", "ورود")
    keys = "Object.keys({}).sort().join()"
    pairs = [(keys.format(f"w.{lang}"), keys.format(f"w.{lang}.kinds")) for lang in ("fa", "en")]
    for fa, en in zip(*pairs, strict=True):
        script = f"import('/v1/auth/page/words.js').then(({{WORDS: w}}) => [{fa}, {en}])"
        persian, english = await tab.run(script)
        assert persian == english


async def test_the_page_comes_whole_from_our_own_files(site: Any) -> None:
    client = site.platform.client
    page = await client.get("/v1/auth/page")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"<style|<script>|\son\w+=|\sstyle=", page.text)  # the policy forbids them
    files = set(re.findall(r'(?:src|href)="(/[^"]+)"', page.text))
    for name in list(files):
        text = (await client.get(name)).text
        files |= {
            f"/v1/auth/page/{found}" for found in re.findall(r'from "\./([a-z_]+\.js)"', text)
        }
        files |= set(re.findall(r'url\("([^"]+)"\)', text))
    assert len(files) > 12
    for name in files:
        answer = await client.get(name)
        assert answer.status_code == 200, name
        assert "http" not in re.sub(r"https?://www\.w3\.org", "", answer.text) or ".ttf" in name
    for name in ("index.html", "words.py", "..%2Flink.js", "OFL.txt"):
        assert (await client.get(f"/v1/auth/page/{name}")).status_code == 404, name
