"""The inbox: one row per event, preferences, reading, and nobody else's."""

from typing import Any
from uuid import uuid4

import msgspec

from flatrender.tasks.queue import Job
from flatrender.testing.platform import Person, Platform


async def _inbox(platform: Platform, person: Person, **query: Any) -> list[dict[str, Any]]:
    answer = await platform.client.get(
        "/v1/notifications", params=query, headers={**person.headers, "Accept-Language": "en"}
    )
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def _told(platform: Platform, person: Person, count: int = 1) -> list[dict[str, Any]]:
    async def enough() -> list[dict[str, Any]] | None:
        found = await _inbox(platform, person)
        return found if len(found) >= count else None

    return await platform.until(enough)


async def _unread(platform: Platform, person: Person) -> int:
    answer = await platform.client.get("/v1/notifications/unread-count", headers=person.headers)
    return int(answer.json()["unread"])


async def test_an_event_becomes_one_row_in_both_languages(
    platform: Platform, plan_expires: Any
) -> None:
    person = await platform.person()
    await plan_expires(platform, person, "gold")
    (row,) = await _told(platform, person)
    assert (row["type"], row["title"]) == ("PlanExpired", "Your gold plan has ended")
    persian = await platform.client.get(
        "/v1/notifications", headers={**person.headers, "Accept-Language": "fa"}
    )
    assert persian.json()["data"][0]["title"] == "طرح gold به پایان رسید"


async def test_an_event_delivered_twice_tells_once(platform: Platform, render_fails: Any) -> None:
    person = await platform.person()
    event_id = await render_fails(platform, person)
    await _told(platform, person)
    row = (await platform.sql("SELECT payload FROM render.outbox WHERE event_id = $1", event_id))[0]
    queue = platform.runtime.infra.queue
    job = Job(
        context="notification",
        queue="events",
        name="render.job.failed.v1:tell_render_failed",
        payload=row["payload"].encode(),
        job_id=f"again-{event_id}",
    )
    await queue.enqueue(job)
    # The inbox of handled events is emptied too (as if pruned): the row itself is unique by event.
    await platform.sql("DELETE FROM notification.inbox WHERE event_id = $1", event_id)
    await queue.enqueue(msgspec.structs.replace(job, job_id=f"third-{event_id}"))

    async def handled() -> bool:
        redis = await queue.redis()
        found = await platform.sql("SELECT 1 FROM notification.inbox WHERE event_id = $1", event_id)
        return bool(found) and not await redis.zcard(queue.queue_name("events", "notification"))

    await platform.until(handled)
    rows = await platform.sql(
        "SELECT count(*) FROM notification.notifications WHERE user_id = $1", person.id
    )
    assert rows[0][0] == 1


async def test_preferences_are_kept_and_followed(
    platform: Platform, plan_expires: Any, render_fails: Any
) -> None:
    person = await platform.person()
    choices = [
        {"type": "PlanExpired", "channel": "InApp", "enabled": True},
        {"type": "PlanExpired", "channel": "InApp", "enabled": False},
    ]
    kept = await platform.client.put(
        "/v1/notification-preferences", json={"preferences": choices}, headers=person.headers
    )
    assert kept.status_code == 200, kept.text
    assert kept.json()["preferences"] == [choices[1]]  # of two the later one counts
    await plan_expires(platform, person)
    await render_fails(platform, person)
    found = await _told(platform, person)
    assert [row["type"] for row in found] == ["RenderFailed"]

    async def silent() -> bool:
        rows = await platform.sql(
            "SELECT in_app FROM notification.notifications "
            "WHERE user_id = $1 AND type = 'PlanExpired'",
            person.id,
        )
        return bool(rows) and rows[0]["in_app"] is False

    await platform.until(silent)
    assert await _unread(platform, person) == 1


async def test_security_messages_cannot_be_turned_off(platform: Platform) -> None:
    person = await platform.person()
    for channel in ("InApp", "Email"):
        body = {"preferences": [{"type": "AccountSecurity", "channel": channel, "enabled": False}]}
        answer = await platform.client.put(
            "/v1/notification-preferences", json=body, headers=person.headers
        )
        assert answer.status_code == 422
        assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
            ("/preferences/0/enabled", "not_silenceable")
        ]
    read = await platform.client.get("/v1/notification-preferences", headers=person.headers)
    assert read.json()["preferences"] == []


async def test_reading_one_and_all(platform: Platform, render_fails: Any) -> None:
    person = await platform.person()
    for _ in range(3):
        await render_fails(platform, person)
    rows = await _told(platform, person, 3)
    one = f"/v1/notifications/{rows[1]['id']}/read"
    for _ in range(2):  # again is fine
        answer = await platform.client.post(one, headers=person.headers)
        assert answer.status_code == 204
    assert await _unread(platform, person) == 2
    left = await _inbox(platform, person, unread=True)
    assert [row["id"] for row in left] == [rows[0]["id"], rows[2]["id"]]
    page = await platform.client.get(
        "/v1/notifications", params={"page_size": 2}, headers=person.headers
    )
    rest = await _inbox(platform, person, page_size=2, cursor=page.json()["meta"]["cursor"])
    assert [row["id"] for row in rest] == [rows[2]["id"]]
    done = await platform.client.post("/v1/notifications/read-all", headers=person.headers)
    assert done.status_code == 204
    assert await _unread(platform, person) == 0


async def test_other_peoples_notifications_are_not_there(
    platform: Platform, render_fails: Any
) -> None:
    person = await platform.person()
    await render_fails(platform, person)
    (row,) = await _told(platform, person)
    _, key = await platform.tenant()
    for stranger in (await platform.person(), await platform.person(tenant_key=key)):
        answers = []
        for where in (row["id"], uuid4()):
            answer = await platform.client.post(
                f"/v1/notifications/{where}/read", headers=stranger.headers
            )
            body = answer.json()
            body.pop("request_id")
            body.pop("instance", None)
            answers.append((answer.status_code, body))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
        await platform.client.post("/v1/notifications/read-all", headers=stranger.headers)
        assert await _inbox(platform, stranger) == []
    assert await _unread(platform, person) == 1
