"""Share links: what strangers see, what they do not, and how a link ends."""

import secrets
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest


@pytest.fixture(scope="module")
async def owner(lot: Any) -> Any:
    """Somebody with a finished film."""
    customer = await lot.customer()
    job = await customer.ended((await customer.submit())["id"])
    customer.export = await customer.get(f"/v1/exports/{job['export_id']}")
    return customer


async def share(owner: Any, **body: Any) -> Any:
    """Make a link."""
    answer = await owner.call(
        "POST",
        f"/v1/exports/{owner.export['id']}/shares",
        body,
        **{"Idempotency-Key": secrets.token_hex(8)},
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def visit(owner: Any, url: str, method: str = "GET", body: Any = None) -> httpx.Response:
    """Follow a link without an account, from an address of its own."""
    parts = urlsplit(url)
    address = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    answer: httpx.Response = await owner.platform.client.request(
        method,
        parts.path + (f"?{parts.query}" if parts.query else ""),
        json=body,
        headers={"x-forwarded-for": address},
    )
    return answer


async def test_a_link_shows_the_video_to_anybody(owner: Any) -> None:
    made = await share(owner, name="for the board")
    seen = await visit(owner, made["url"])
    assert seen.status_code == 200, seen.text
    video = seen.json()
    assert video["name"] == owner.export["name"]
    assert video["password_required"] is False
    assert video["duration_sec"] == owner.export["duration_sec"]
    followed = await visit(owner, video["video_url"])
    assert followed.status_code == 302
    assert followed.headers["cache-control"] == "no-store"
    assert followed.headers["referrer-policy"] == "no-referrer"
    async with httpx.AsyncClient() as store:
        got = await store.get(followed.headers["location"])
        assert len(got.content) == owner.export["size_bytes"]
        poster = await visit(owner, video["poster_url"])
        assert (await store.get(poster.headers["location"])).content[:2] == b"\xff\xd8"
    (line,) = [
        one
        for one in (await owner.get(f"/v1/exports/{owner.export['id']}/shares"))["data"]
        if one["id"] == made["id"]
    ]
    assert (line["views"], line["downloads"], line["name"]) == (1, 1, "for the board")
    assert "url" not in line


async def test_tokens_are_stored_as_hashes_only(owner: Any) -> None:
    made = await share(owner, password="correct horse")
    token = urlsplit(made["url"]).path.rsplit("/", 1)[-1]
    (row,) = await owner.platform.sql(
        "SELECT * FROM render.export_shares WHERE id = $1", UUID(made["id"])
    )
    assert token not in str(dict(row))
    assert "correct horse" not in str(dict(row))
    assert row["password_hash"].startswith("$argon2id$")


async def test_a_password_is_asked_for_and_a_grant_opens_every_route(owner: Any) -> None:
    made = await share(owner, password="correct horse")
    seen = (await visit(owner, made["url"])).json()
    assert seen["password_required"] is True
    assert {seen["name"], seen["video_url"], seen["size_bytes"]} == {None}
    for part in ("video", "poster", "thumbnail"):
        refused = await visit(owner, f"{made['url']}/{part}")
        assert (refused.status_code, refused.json()["code"]) == (403, "share_password_required")
    wrong = await visit(owner, f"{made['url']}/unlock", "POST", {"password": "wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "share_password_required")
    opened = await visit(owner, f"{made['url']}/unlock", "POST", {"password": "correct horse"})
    assert opened.status_code == 200, opened.text
    video = opened.json()["video"]
    assert (await visit(owner, video["video_url"])).status_code == 302
    other = await share(owner, password="correct horse")
    grant = opened.json()["grant"]
    assert (await visit(owner, f"{other['url']}/video?grant={grant}")).status_code == 403
    until, _, signature = grant.partition(".")
    for forged in (f"{int(until) + 1}.{signature}", f"{until}.", "x", f"1.{signature}"):
        answer = await visit(owner, f"{made['url']}/video?grant={forged}")
        assert answer.status_code == 403, forged


async def test_guesses_at_a_password_are_limited(owner: Any) -> None:
    made = await share(owner, password="correct horse")
    path = urlsplit(made["url"]).path + "/unlock"
    codes = []
    for _ in range(12):
        answer = await owner.platform.client.post(
            path, json={"password": "wrong"}, headers={"x-forwarded-for": "10.99.1.1"}
        )
        codes.append(answer.status_code)
    assert codes[:10] == [403] * 10
    assert codes[-1] == 429


async def test_guesses_at_links_are_limited(owner: Any) -> None:
    answers = [
        await owner.platform.client.get(
            f"/s/{secrets.token_urlsafe(18)}.{secrets.token_urlsafe(32)}",
            headers={"x-forwarded-for": "10.99.2.2"},
        )
        for _ in range(22)
    ]
    codes = [answer.status_code for answer in answers]
    assert codes[:20] == [404] * 20
    assert codes[-1] == 429
    assert "retry-after" in answers[-1].headers


async def test_downloads_run_out(owner: Any) -> None:
    made = await share(owner, max_downloads=2)
    video = (await visit(owner, made["url"])).json()
    assert video["downloads_left"] == 2
    codes = [(await visit(owner, video["video_url"])).status_code for _ in range(3)]
    assert codes == [302, 302, 410]


async def test_a_revoked_an_expired_and_a_deleted_one_answer_gone(owner: Any, lot: Any) -> None:
    made = await share(owner)
    path = f"/v1/exports/{owner.export['id']}/shares/{made['id']}"
    stranger = await lot.customer()
    assert (await stranger.call("DELETE", path)).status_code == 404
    assert (await visit(owner, made["url"])).status_code == 200
    assert (await owner.call("DELETE", path)).status_code == 204
    gone = await visit(owner, made["url"])
    assert (gone.status_code, gone.json()["code"]) == (410, "share_over")
    old = await share(owner, expires_at="2026-01-01T00:00:00Z")
    assert (await visit(owner, old["url"])).status_code == 410

    other = await lot.customer()
    job = await other.ended((await other.submit())["id"])
    other.export = await other.get(f"/v1/exports/{job['export_id']}")
    link = await share(other)
    assert (await visit(other, link["url"])).status_code == 200
    assert (await other.call("DELETE", f"/v1/exports/{other.export['id']}")).status_code == 204
    assert (await visit(other, link["url"])).status_code == 410


async def test_an_export_has_twenty_open_links_at_most(lot: Any, owner: Any) -> None:
    other = await lot.customer(person=owner.person)
    job = await other.ended((await other.submit())["id"])
    other.export = await other.get(f"/v1/exports/{job['export_id']}")
    for _ in range(20):
        await share(other)
    answer = await other.call(
        "POST",
        f"/v1/exports/{other.export['id']}/shares",
        {},
        **{"Idempotency-Key": secrets.token_hex(8)},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_shares")


async def test_guesses_at_a_password_from_many_addresses_are_limited_together(owner: Any) -> None:
    made = await share(owner, password="1234")
    answers = [
        (await visit(owner, f"{made['url']}/unlock", "POST", {"password": f"x{number:03}"}))
        for number in range(101)
    ]
    assert {answer.status_code for answer in answers[:100]} == {403}
    assert answers[100].status_code == 429
    assert int(answers[100].headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "end",
    ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"],
)
async def test_an_end_lies_in_the_calendar(owner: Any, end: str) -> None:
    answer = await owner.call(
        "POST",
        f"/v1/exports/{owner.export['id']}/shares",
        {"expires_at": end},
        **{"Idempotency-Key": secrets.token_hex(8)},
    )
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/expires_at"]
