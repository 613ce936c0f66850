"""Telegram as a provider: its signed answer, in time, once, in the browser that began."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "emulators"))

from openid_provider import HOME, PAGE, bearer  # the path is above
from telegram import Telegram

from flatrender.testing.platform import PASSWORD
from flatrender.testing.serving import serve_app

ADMIN = "/v1/admin/oauth/telegram"


class Line:
    """Telegram, and how a browser signs in by it."""

    def __init__(self, deployment: Any, telegram: Telegram) -> None:
        self.deployment = deployment
        self.telegram = telegram

    async def save(self, **changes: Any) -> httpx.Response:
        """Set Telegram up as an administrator."""
        body = {
            "driver": "telegram",
            "client_id": self.telegram.bot,
            "client_secret": self.telegram.token,
            "discovery_url": self.telegram.address,
            "return_urls": [PAGE],
            "enabled": True,
            "reason": "for tests",
            **changes,
        }
        found: httpx.Response = await self.deployment.platform.client.put(
            ADMIN, json=body, headers=self.deployment.admin.headers
        )
        return found

    async def begin(self, browser: Any, **query: str) -> str:
        """Press "sign in with Telegram"; returns where its button will send the browser."""
        page, _, fragment = (await browser.begin("telegram", **query)).partition("#")
        told = dict(parse_qsl(fragment))
        assert page == f"{HOME}/v1/auth/telegram-widget"
        assert (told["provider"], told["bot"]) == ("telegram", self.telegram.bot)
        return f"{HOME}/v1/auth/telegram/callback?state={told['state']}"

    async def consent(self, back: str) -> str:
        """Say yes in Telegram; returns the way back with the signed fields."""
        query = urlencode({"bot": self.telegram.bot, "auth_url": back})
        async with httpx.AsyncClient() as outside:
            answer = await outside.get(f"{self.telegram.address}/auth?{query}")
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    async def sign_in(self, browser: Any, **query: str) -> dict[str, str]:
        """Sign in from beginning to end; returns the fragment."""
        fragment: dict[str, str] = await browser.back(
            await self.consent(await self.begin(browser, **query))
        )
        return fragment


@pytest.fixture
async def line(deployment: Any) -> AsyncIterator[Line]:
    telegram = Telegram()
    async with serve_app(telegram) as address:
        telegram.address = f"http://{address}"
        made = Line(deployment, telegram)
        saved = await made.save()
        assert saved.status_code == 200, saved.text
        yield made
        await made.save(enabled=False)


async def test_somebody_new_gets_an_account_and_comes_back_to_it(line: Line, browser: Any) -> None:
    person = line.telegram.somebody(first_name="سارا", last_name="محمدی")
    first = await line.sign_in(browser)
    me = await browser.me(first)
    assert (me["display_name"], me["email"]) == ("سارا محمدی", None)
    rows = await line.deployment.platform.sql(
        "SELECT i.issuer, u.register_mode, i.email FROM identity.oauth_identities i "
        "JOIN identity.users u ON u.id = i.user_id WHERE i.subject = $1",
        person["id"],
    )
    assert [tuple(row) for row in rows] == [("https://oauth.telegram.org", "Telegram", None)]
    async with line.deployment.browser() as another:
        assert (await another.me(await line.sign_in(another)))["id"] == me["id"]
        code = (await line.sign_in(another, delivery="code"))["code"]
        told = await another.client.post("/v1/auth/oauth/token", json={"code": code})
        assert told.json()["user"]["id"] == me["id"], told.text
        again = await another.client.post("/v1/auth/oauth/token", json={"code": code})
        assert (again.status_code, again.json()["code"]) == (401, "invalid_code")


async def test_the_page_has_the_button_and_nothing_of_ours(browser: Any) -> None:
    page = await browser.get("/v1/auth/telegram-widget")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "script-src 'self' https://telegram.org;" in policy
    assert "frame-src https://oauth.telegram.org" in policy
    assert "connect-src 'none'" in policy  # a script of others does not call us
    assert "default-src 'none'" in policy
    script = await browser.get("/v1/auth/telegram-widget/telegram.js")
    assert "telegram-widget.js" in script.text
    link = await browser.get("/v1/auth/link")
    assert "telegram" not in link.headers["content-security-policy"]


@pytest.mark.parametrize(
    "fault", ["hash", "name", "token", "old", "future", "twice", "id", "break", "none", "extra"]
)
async def test_what_telegram_did_not_say_now_is_refused(
    line: Line, browser: Any, fault: str
) -> None:
    telegram = line.telegram
    telegram.somebody()
    back = await line.begin(browser)
    told = telegram.signed()
    if fault == "hash":
        told["hash"] = "0" * 64
    elif fault == "name":
        told["first_name"] = "Somebody else"
    elif fault == "token":
        keep, telegram.token = telegram.token, "1234567890:" + "x" * 35
        told, telegram.token = telegram.signed(), keep
    elif fault == "old":
        told = telegram.signed(auth_date=int(told["auth_date"]) - 301)
    elif fault == "future":
        told = telegram.signed(auth_date=int(told["auth_date"]) + 120)
    elif fault == "id":
        told = telegram.signed(id="0; 1")
    elif fault == "break":  # the same signature, read as if somebody else had signed in
        victim = {"first_name": f"A\nid={telegram.person['id']}"}
        told = telegram.signed(**victim)
    elif fault == "none":
        del told["hash"]
    query = urlencode(told)
    if fault == "twice":
        query += f"&id={telegram.person['id']}"
    elif fault == "extra":
        query += "&code=x"
    fragment = await browser.back(f"{back}&{query}")
    assert fragment == {"error": "oauth_failed"}
    rows = await line.deployment.platform.sql(
        "SELECT count(*) AS n FROM identity.oauth_identities WHERE subject = $1",
        telegram.person["id"],
    )
    assert rows[0]["n"] == 0


async def test_an_answer_is_good_once_in_its_own_browser(line: Line, browser: Any) -> None:
    line.telegram.somebody()
    back = await line.begin(browser)
    told = urlencode(line.telegram.signed())
    async with line.deployment.browser() as stranger:
        foreign = await stranger.get(f"{back}&{told}")
        assert (foreign.status_code, foreign.json()["code"]) == (400, "oauth_state_invalid")
    assert "access_token" in await browser.back(f"{back}&{told}")
    again = await browser.get(f"{back}&{told}")  # the state is used up
    assert (again.status_code, again.json()["code"]) == (400, "oauth_state_invalid")
    fresh = await line.begin(browser)  # the answer is, too
    assert await browser.back(f"{fresh}&{told}") == {"error": "oauth_failed"}
    states = [await line.begin(browser) for _ in range(5)]
    other = urlencode(line.telegram.signed(auth_date=int(dict(parse_qsl(told))["auth_date"]) - 5))
    outcomes = await asyncio.gather(*(browser.back(f"{state}&{other}") for state in states))
    assert sorted("access_token" in told for told in outcomes) == [False] * 4 + [True]


async def test_an_answer_of_telegram_is_none_of_another_provider(line: Line, browser: Any) -> None:
    line.telegram.somebody()
    back = await line.begin(browser)
    told = urlencode(line.telegram.signed())
    moved = back.replace("/telegram/", "/google/")
    refused = await browser.get(f"{moved}&{told}")
    assert (refused.status_code, refused.json()["code"]) == (400, "oauth_state_invalid")


async def test_linking_and_unlinking(line: Line, browser: Any) -> None:
    platform = line.deployment.platform
    owner, other = await platform.person(), await platform.person()
    line.telegram.somebody()

    async def link(person: Any) -> httpx.Response:
        begun = await platform.client.post(
            "/v1/me/identities",
            json={"provider": "telegram", "return_to": PAGE, "current_password": PASSWORD},
            headers=person.headers,
        )
        assert begun.status_code == 202, begun.text
        started = await browser.get(
            urlsplit(begun.json()["start_url"])._replace(scheme="", netloc="").geturl()
        )
        told = dict(parse_qsl(started.headers["location"].partition("#")[2]))
        back = f"{HOME}/v1/auth/telegram/callback?state={told['state']}"
        fragment = await browser.back(await line.consent(back))
        finished: httpx.Response = await platform.client.post(
            "/v1/me/identities/complete",
            json={"code": fragment["link_code"]},
            headers=person.headers,
        )
        return finished

    assert (await link(owner)).status_code == 204
    assert (await browser.me(await line.sign_in(browser)))["id"] == str(owner.id)
    taken = await link(other)
    assert (taken.status_code, taken.json()["code"]) == (409, "identity_taken")
    listed = await platform.client.get("/v1/me/identities", headers=owner.headers)
    (identity,) = listed.json()["data"]
    assert (identity["provider"], identity["email"]) == ("telegram", None)
    gone = await platform.client.post(
        f"/v1/me/identities/{identity['id']}/unlink",
        json={"current_password": PASSWORD},
        headers=owner.headers,
    )
    assert gone.status_code == 204, gone.text
    assert (await browser.me(await line.sign_in(browser)))["id"] != str(owner.id)


async def test_the_only_way_in_cannot_be_unlinked(line: Line, browser: Any) -> None:
    line.telegram.somebody()
    fragment = await line.sign_in(browser)
    listed = await browser.client.get("/v1/me/identities", headers=bearer(fragment))
    (identity,) = listed.json()["data"]
    refused = await browser.client.post(
        f"/v1/me/identities/{identity['id']}/unlink", json={}, headers=bearer(fragment)
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "last_way_in")


async def test_administrators_set_it_up_and_see_no_token(line: Line) -> None:
    client, headers = line.deployment.platform.client, line.deployment.admin.headers
    token = line.telegram.token
    shown = (await client.get(ADMIN, headers=headers)).json()
    assert (shown["driver"], shown["issuer"]) == ("telegram", "https://oauth.telegram.org")
    assert token not in str(shown)
    assert shown["client_secret"].endswith(token[-4:])
    kept = await line.save(client_secret=shown["client_secret"])
    assert kept.status_code == 200, kept.text
    tested = await client.post(f"{ADMIN}/test", headers=headers)
    assert tested.json() == {
        "ok": True,
        "issuer": "https://oauth.telegram.org",
        "keys": 0,
        "client": "accepted",
        "problem": "",
    }
    assert line.telegram.asked[-1] == f"/bot{token}/getMe"
    line.telegram.bot, mine = "another_bot", line.telegram.bot
    assert (await client.post(f"{ADMIN}/test", headers=headers)).json()["ok"] is False
    line.telegram.bot = mine
    line.telegram.token = token + "x"
    refused = (await client.post(f"{ADMIN}/test", headers=headers)).json()
    assert (refused["ok"], refused["client"]) == (False, "refused")
    line.telegram.token = token
    moved = await line.save(client_secret="", discovery_url="http://127.0.0.1:9/elsewhere")
    assert moved.json()["errors"][0]["code"] == "secret_needed"
    for wrong, pointer in (
        ({"client_id": "no bot"}, "/client_id"),
        ({"client_secret": "not-a-token"}, "/client_secret"),
        ({"discovery_url": "http://10.0.0.1/"}, "/discovery_url"),
        ({"return_urls": []}, "/return_urls"),
    ):
        answer = await line.save(**wrong)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    rows = await line.deployment.platform.sql(
        "SELECT action, before::text || after::text AS told FROM identity.audit_log "
        "WHERE actor_id = $1 AND after->>'provider' = 'telegram'",
        line.deployment.admin.id,
    )
    assert {row["action"] for row in rows} == {"oauth_provider.change", "oauth_provider.test"}
    assert not any(token in (row["told"] or "") for row in rows)


async def test_who_is_switched_off_signs_nobody_in(line: Line, browser: Any) -> None:
    line.telegram.somebody()
    back = await line.begin(browser)
    assert (await line.save(enabled=False)).status_code == 200
    assert (await browser.get("/v1/auth/telegram/start")).status_code == 404
    assert await browser.back(await line.consent(back)) == {"error": "oauth_unavailable"}
