"""A stream token is a credential too: it dies with the session that asked for it."""

import asyncio

import pytest

from flatrender.testing.platform import Person, Platform


async def token_of(platform: Platform, person: Person) -> str:
    """Return a fresh inbox token."""
    made = await platform.client.post("/v1/notifications/stream-token", headers=person.headers)
    assert made.status_code == 201, made.text
    token: str = made.json()["token"]
    return token


@pytest.mark.parametrize("how", ["logout", "ban"])
async def test_an_inbox_token_dies_with_its_session(platform: Platform, how: str) -> None:
    person = await platform.person()
    token = await token_of(platform, person)
    if how == "logout":
        await platform.client.post("/v1/auth/logout", headers=person.headers)
    else:
        await platform.sql("UPDATE identity.users SET status = 'Banned' WHERE id = $1", person.id)
    async with asyncio.timeout(10):  # a stream that opens never ends
        answer = await platform.client.get("/v1/notifications/stream", params={"token": token})
    assert answer.status_code == 401, answer.text
    assert answer.json()["code"] == "unauthorized"
