"""The record of acts on the farm: who, what, before and after, why, from where; never changed."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from flatrender.testing.platform import Person, Platform

URL = "/v1/admin/farm/acts"
#: As the proxy in front, which the platform trusts, tells it.
ADDRESS = "10.20.30.40"
_RULE = {
    "error_class": "transient", "action": "back_off", "explanation_fa": "توضیح",
    "explanation_en": "an explanation",
}  # fmt: skip


@pytest.fixture(scope="module")
async def operator(platform: Platform) -> Person:
    """An administrator of the farm, second factor done."""
    return await platform.admin()


async def call(platform: Platform, person: Person, method: str, url: str, **more: Any) -> Any:
    headers = {
        **person.headers, "Idempotency-Key": uuid4().hex, "X-Forwarded-For": ADDRESS,
    }  # fmt: skip
    answer = await platform.client.request(method, url, headers=headers, **more)
    assert answer.status_code < 300, answer.text
    return answer


async def listed(platform: Platform, person: Person, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await call(platform, person, "GET", URL, params=params)).json()[
        "data"
    ]
    return found


async def enrolled(platform: Platform, person: Person) -> tuple[str, str, str]:
    """Return id, name and secret of a new node outside."""
    name = f"a-{uuid4().hex[:12]}"
    body = (await call(platform, person, "POST", "/v1/admin/nodes", json={"name": name})).json()
    return body["id"], name, body["secret"]


async def test_every_act_on_a_node_is_recorded(platform: Platform, operator: Person) -> None:
    node, name, secret = await enrolled(platform, operator)
    path = f"/v1/admin/nodes/{node}"
    rotated = await call(
        platform, operator, "POST", f"{path}/secret", params={"reason": "the laptop was lost"}
    )
    for act in ("drain", "release", "restart", "test-render"):
        await call(platform, operator, "POST", f"{path}/{act}", json={"reason": f"why {act}"})
    await call(platform, operator, "POST", f"{path}/quarantine", json={"reason": "it smells"})
    await call(platform, operator, "DELETE", path, params={"reason": "sold"})

    acts = await listed(platform, operator, target=node)
    assert [one["act"] for one in acts] == [
        "node.remove", "node.quarantine", "node.test_render", "node.restart", "node.release",
        "node.drain", "node.rotate_secret", "node.enrol",
    ]  # fmt: skip
    for one in acts:
        assert (one["actor_kind"], one["actor_id"]) == ("user", str(operator.id))
        assert (one["target_type"], one["target_name"]) == ("node", name)
        assert one["address"] == ADDRESS
        assert one["request_id"]
    reasons = [one["reason"] for one in acts]
    assert reasons[:2] == ["sold", "it smells"]
    assert reasons[-2:] == ["the laptop was lost", ""]
    rotation = acts[-2]
    assert (rotation["before"], rotation["after"]) == (
        {"secret_version": 1}, {"secret_version": 2},
    )  # fmt: skip
    assert acts[1]["before"] != acts[1]["after"] == {"status": "Quarantined"}
    assert acts[0]["before"] == {"status": "Quarantined", "region": ""}
    for kept in (secret, rotated.json()["secret"]):
        assert kept not in str(acts)


async def test_rules_and_shares_are_read_in_the_same_list(
    platform: Platform, operator: Person
) -> None:
    code = f"r_{uuid4().hex[:12]}"
    rule = f"/v1/admin/failure-rules/{code}"
    for version in (0, 1):
        body = {**_RULE, "version": version, "pattern": f"never {code}", "note": f"n{version}"}
        await call(platform, operator, "PUT", rule, json=body)
    await call(platform, operator, "DELETE", rule, params={"reason": "no use"})
    acts = await listed(platform, operator, target=code)
    assert [(one["act"], one["before"], one["after"], one["reason"]) for one in acts] == [
        ("rule.retire", {"version": 2}, None, "no use"),
        ("rule.change", {"version": 1}, {"version": 2}, "n1"),
        ("rule.change", None, {"version": 1}, "n0"),
    ]
    tenant, _ = await platform.tenant()
    for weight in (2, 3):
        await call(
            platform, operator, "PUT", f"/v1/admin/tenant-shares/{tenant}",
            json={"weight": weight, "reason": f"weight {weight}"},
        )  # fmt: skip
    second, first = await listed(platform, operator, target=str(tenant))
    assert (first["before"], second["before"]) == (None, first["after"])
    assert (second["act"], second["after"]["weight"]) == ("share.change", 3)
    for one in (*acts, first, second):
        assert (one["actor_id"], one["address"]) == (str(operator.id), ADDRESS)


async def test_the_list_filters_and_pages(platform: Platform, operator: Person) -> None:
    node, name, _ = await enrolled(platform, operator)
    for reason in ("one", "two"):
        body = {"reason": reason}
        await call(platform, operator, "POST", f"/v1/admin/nodes/{node}/drain", json=body)
    assert len(await listed(platform, operator, target=name.upper(), act="node.drain")) == 2
    assert await listed(platform, operator, target=node, actor_kind="cli") == []
    assert await listed(platform, operator, target=node, target_type="rule") == []
    assert await listed(platform, operator, target=node, actor_id=str(uuid4())) == []
    newest, older, _ = await listed(platform, operator, target=node)
    assert await listed(platform, operator, target=node, since=newest["created_at"]) == [newest]
    before = await listed(platform, operator, target=node, until=newest["created_at"])
    assert before[0] == older
    page = await call(
        platform, operator, "GET", URL, params={"target": node, "page": 2, "page_size": 2}
    )
    assert page.json()["meta"] == {"page": 2, "page_size": 2, "total": 3, "total_pages": 2}
    assert [one["act"] for one in page.json()["data"]] == ["node.enrol"]
    for params in ({"act": "node.explode"}, {"actor_id": "x"}, {"since": "yesterday"}):
        wrong = await platform.client.get(URL, params=params, headers=operator.headers)
        assert wrong.status_code == 422, wrong.text


async def test_only_who_runs_the_farm_reads_it(platform: Platform) -> None:
    _, key = await platform.tenant()
    for person in (await platform.admin(tenant_key=key), await platform.person()):
        answer = await platform.client.get(URL, headers=person.headers)
        assert answer.status_code == 403, answer.text
    assert (await platform.client.get(URL)).status_code == 401


async def test_an_act_that_was_refused_leaves_no_trace(
    platform: Platform, operator: Person
) -> None:
    missing = uuid4()
    for method, path in (("POST", "/secret"), ("DELETE", "")):
        answer = await platform.client.request(
            method, f"/v1/admin/nodes/{missing}{path}", headers=operator.headers
        )
        assert answer.status_code == 404
    assert await listed(platform, operator, target=str(missing)) == []


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("render.farm_acts", "reason"),
        ("render.tenant_share_changes", "reason"),
        ("render.failure_rules", "note"),
    ],
)
async def test_nobody_changes_or_deletes_a_record(
    platform: Platform, table: str, column: str
) -> None:
    """The context's own roles have no such right, and the table refuses whoever has."""
    one = await _row(platform, table)
    change = f"UPDATE {table} SET {column} = 'nothing happened' WHERE id = $1"
    delete = f"DELETE FROM {table} WHERE id = $1"
    rights = await platform.sql(
        "SELECT r, p FROM unnest(ARRAY['flatrender_render', 'flatrender_render_system']) r, "
        "unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) p WHERE has_table_privilege(r, $1, p)",
        table,
    )
    assert rights == []
    database = platform.runtime.plugins["render"].context.db
    for statement in (change, delete):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await database.system_fetch("a record rewritten", statement, one)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="neither changed"):
            await platform.sql(statement, one)
    assert await platform.sql(f"SELECT {column} FROM {table} WHERE id = $1", one) == [("kept",)]


async def _row(platform: Platform, table: str) -> UUID:
    """Add a row by hand."""
    one = uuid4()
    if table == "render.farm_acts":
        await platform.sql(
            "INSERT INTO render.farm_acts (id, actor_kind, act, target_type, target_id, reason) "
            "VALUES ($1, 'cli', 'node.drain', 'node', 'x', 'kept')",
            one,
        )
    elif table == "render.tenant_share_changes":
        await platform.sql(
            "INSERT INTO render.tenant_share_changes (id, tenant_id, weight, reason) "
            "VALUES ($1, $1, 1, 'kept')",
            one,
        )
    else:
        await platform.sql(
            "INSERT INTO render.failure_rules (id, code, active, class, action, explanation_fa, "
            "explanation_en, note) VALUES ($1, $2, false, 'transient', 'back_off', 'f', 'e', "
            "'kept')",
            one,
            f"by_hand_{one.hex[:12]}",
        )
    return one
