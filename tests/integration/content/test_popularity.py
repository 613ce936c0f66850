"""Templates become popular by being picked and rendered, once per event, whoever did it."""

from typing import Any
from uuid import UUID, uuid4

from flatrender.contracts.render import JobCompleted
from flatrender.contracts.studio import ProjectSaved
from flatrender.events.envelope import Envelope
from flatrender.events.subscriptions import Subscription, handle
from flatrender.testing.platform import Person, Platform
from flatrender_content import handlers


async def _counts(platform: Platform, container_id: UUID) -> tuple[int, int]:
    (row,) = await platform.sql(
        "SELECT use_count, render_count FROM content.project_containers WHERE id = $1",
        container_id,
    )
    return row["use_count"], row["render_count"]


def _completed(person: Person, container_id: UUID | None) -> JobCompleted:
    return JobCompleted(
        job_id=uuid4(),
        user_id=person.id,
        saved_project_id=uuid4(),
        project_name="x",
        export_id=uuid4(),
        resolution="360p",
        duration_sec=1.0,
        size_bytes=1,
        compute_seconds=1.0,
        container_id=container_id,
    )


async def _emit(platform: Platform, person: Person, context: str, event: Any) -> UUID:
    async with platform.runtime.plugins[context].context.db.unit_of_work(person.tenant_id) as work:
        event_id: UUID = work.emit(event)
    return event_id


async def _again(
    platform: Platform, event_id: UUID, context: str, subscription: Subscription
) -> None:
    """Deliver an event once more, as after a crash before the inbox had it."""
    (row,) = await platform.sql(
        f"SELECT payload FROM {context}.outbox WHERE event_id = $1", event_id
    )
    await platform.sql(
        "DELETE FROM content.inbox WHERE event_id = $1 AND handler = $2",
        event_id,
        subscription.name,
    )
    import msgspec

    envelope = msgspec.json.decode(row["payload"], type=Envelope)
    content = platform.runtime.plugins["content"].context
    assert await handle(content, subscription, envelope), "the inbox would have stopped it"


async def test_a_finished_render_counts_once_also_for_another_tenants_template(
    platform: Platform, install: Any, fresh_slug: str
) -> None:
    made = await install(fresh_slug)
    _tenant, key = await platform.tenant()
    reseller = await platform.person(tenant_key=key)
    event_id = await _emit(platform, reseller, "render", _completed(reseller, made.container_id))

    async def counted() -> bool:
        return await _counts(platform, made.container_id) == (0, 1)

    await platform.until(counted)
    subscription = next(s for s in handlers.SUBSCRIPTIONS if s.event is JobCompleted)
    await _again(platform, event_id, "render", subscription)
    assert await _counts(platform, made.container_id) == (0, 1)
    # A job of an older farm names no template.
    nameless = await _emit(platform, reseller, "render", _completed(reseller, None))

    async def heard() -> bool:
        rows = await platform.sql("SELECT 1 FROM content.inbox WHERE event_id = $1", nameless)
        return bool(rows)

    await platform.until(heard)
    assert await _counts(platform, made.container_id) == (0, 1)


async def test_a_new_saved_project_counts_once(
    platform: Platform, install: Any, fresh_slug: str
) -> None:
    made = await install(fresh_slug)
    person = await platform.person()
    event = ProjectSaved(
        saved_project_id=uuid4(),
        user_id=person.id,
        container_id=made.container_id,
        version=1,
        created=True,
    )
    event_id = await _emit(platform, person, "studio", event)

    async def counted() -> bool:
        return await _counts(platform, made.container_id) == (1, 0)

    await platform.until(counted)
    subscription = next(s for s in handlers.SUBSCRIPTIONS if s.event is ProjectSaved)
    await _again(platform, event_id, "studio", subscription)
    assert await _counts(platform, made.container_id) == (1, 0)
