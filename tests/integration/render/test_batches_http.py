"""Batches over HTTP: tables in, all or nothing, many renders, tables out."""

import asyncio
import csv
import io
import secrets
from typing import Any
from uuid import UUID

import pytest

from flatrender_render.services.batches import BatchService, BatchWake

Json = dict[str, Any]


async def table(customer: Any, rows: list[Json], key: str | None = None, **more: Any) -> Any:
    """Submit rows as JSON and return the raw answer."""
    body = {
        "saved_project_id": customer.saved["id"],
        "resolution": "360p",
        "rows": rows,
        **more,
    }
    headers = {"Idempotency-Key": key or secrets.token_hex(8)}
    return await customer.call("POST", "/v1/batches", body, **headers)


async def upload(customer: Any, data: bytes, **fields: str) -> Any:
    """Submit a CSV as a form."""
    return await customer.platform.client.post(
        "/v1/batches/csv",
        data={"saved_project_id": customer.saved["id"], "resolution": "360p", **fields},
        files={"file": ("table.csv", data, "text/csv")},
        headers={**customer.person.headers, "Idempotency-Key": secrets.token_hex(8)},
    )


async def ended(customer: Any, batch_id: str) -> Json:
    """Return a batch once it is not running any more."""

    async def look() -> Json | None:
        batch = await customer.get(f"/v1/batches/{batch_id}")
        return batch if batch["state"] != "Running" else None

    found: Json = await customer.platform.until(look, within=120)
    return found


async def free(customer: Any) -> None:
    """Lift the free plan's limit of renders a day."""
    await customer.platform.sql(
        "UPDATE identity.users SET daily_render_limit = 0 WHERE id = $1", customer.person.id
    )


async def used(customer: Any) -> int:
    return int((await customer.limits())["daily_used"])


async def test_a_csv_becomes_a_video_for_every_row(lot: Any) -> None:
    customer = await lot.customer()
    await free(customer)
    before = await customer.get(f"/v1/saved-projects/{customer.saved['id']}")
    data = "key;headline;box\nآ;درود;#112233\nb;=1+2;\n".encode()
    answer = await upload(customer, b"\xef\xbb\xbf" + data, name="نوروز")
    assert answer.status_code == 202, answer.text
    batch = answer.json()
    assert (batch["total"], batch["name"], batch["state"]) == (2, "نوروز", "Running")
    batch = await ended(customer, batch["id"])
    assert (batch["state"], batch["done"], batch["progress"]) == ("Done", 2, 1.0)
    assert batch["finished_at"] is not None
    rows = (await customer.get(f"/v1/batches/{batch['id']}/rows"))["data"]
    assert [(row["row"], row["key"], row["state"]) for row in rows] == [
        (1, "آ", "Done"),
        (2, "b", "Done"),
    ]
    found = await customer.platform.sql(
        "SELECT composition->'scenes'->0->'values' AS v, batch_row FROM render.render_jobs "
        "WHERE batch_id = $1 ORDER BY batch_row",
        UUID(batch["id"]),
    )
    assert '"درود"' in found[0]["v"]
    assert '"#112233"' in found[0]["v"]
    assert '"=1+2"' in found[1]["v"]
    assert "#112233" not in found[1]["v"]
    after = await customer.get(f"/v1/saved-projects/{customer.saved['id']}")
    assert after == before, "the project itself is as it was"

    answer = await customer.call("GET", f"/v1/batches/{batch['id']}/results.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    lines = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [line["state"] for line in lines] == ["Done", "Done"]
    assert lines[1]["headline"] == "'=1+2", "no cell runs in a spreadsheet"
    for line, row in zip(lines, rows, strict=True):
        assert line["url"] == row["url"]
        got = await customer.call("GET", row["url"].replace("http://testserver.local", ""))
        assert got.status_code == 302


async def test_the_template_of_a_table_comes_back_as_a_table(lot: Any) -> None:
    customer = await lot.customer("long")
    path = f"/v1/saved-projects/{customer.saved['id']}/batch-template.csv"
    answer = await customer.call("GET", path)
    assert answer.status_code == 200, answer.text
    (line,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert set(line) == {
        "key", "one.headline", "one.box", "one.photo", "two.headline", "two.box", "two.photo",
    }  # fmt: skip
    assert line["two.headline"] == "سلام"
    checked = await upload(customer, answer.content, check="true")
    assert checked.status_code == 202, checked.text
    assert checked.json()["rows"] == 1
    stranger = await lot.customer()
    assert (await stranger.call("GET", path)).status_code == 404


async def test_nothing_is_rendered_or_counted_when_one_cell_is_refused(lot: Any) -> None:
    customer = await lot.customer()
    rows = [
        {"headline": "خوب"},
        {"headline": "این متن برای این جا بسیار بلند است"},
        {"box": "blue", "photo": "no-file"},
    ]
    answer = await table(customer, rows)
    assert answer.status_code == 422, answer.text
    errors = {error["pointer"]: error for error in answer.json()["errors"]}
    assert set(errors) == {"/rows/1/headline", "/rows/2/box", "/rows/2/photo"}
    assert errors["/rows/1/headline"]["code"] == "text_too_long"
    assert errors["/rows/2/photo"]["code"] == "file_not_found"
    persian = await customer.call(
        "POST",
        "/v1/batches",
        {"saved_project_id": customer.saved["id"], "resolution": "360p", "rows": rows},
        **{"Accept-Language": "fa"},
    )
    assert persian.json()["errors"][0]["detail"].startswith("سطر 2")
    assert await used(customer) == 0
    assert (await customer.get("/v1/batches"))["data"] == []


@pytest.mark.parametrize(
    ("rows", "pointer", "code"),
    [
        ([{"nothing": "x"}], "/columns/nothing", "unknown_column"),
        ([{"headline": "a", "one.headline": "b"}], "/columns/one.headline", "column_twice"),
        ([{"key": "a"}, {"key": "a"}], "/rows/1/key", "key_twice"),
    ],
)
async def test_columns_and_keys_are_checked(
    lot: Any, rows: list[Json], pointer: str, code: str
) -> None:
    customer = await lot.customer()
    answer = await table(customer, rows)
    assert answer.status_code == 422, answer.text
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]


async def test_a_required_slot_may_be_filled_by_the_table(lot: Any) -> None:
    customer = await lot.customer()
    await customer.fill({"headline": None})
    refused = await table(customer, [{"box": "#000000"}], check=True)
    assert [e["pointer"] for e in refused.json()["errors"]] == ["/rows/0/one.headline"]
    filled = await table(customer, [{"headline": "هست"}], check=True)
    assert filled.status_code == 202, filled.text


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"headline\n\xff\xfe\n", "csv_not_utf8"),
        (b"headline\n", "csv_empty"),
        (b'headline\n"open\n', "csv_invalid"),
        (b"headline,headline\na,b\n", "column_twice"),
        (b"headline\na,b\n", "too_many_cells"),
    ],
)
async def test_files_that_are_no_tables_are_refused(lot: Any, data: bytes, code: str) -> None:
    customer = await lot.customer()
    answer = await upload(customer, data)
    assert answer.status_code == 422, answer.text
    assert code in {error["code"] for error in answer.json()["errors"]}


async def test_the_plan_bounds_the_rows_and_the_day_bounds_the_renders(lot: Any) -> None:
    customer = await lot.customer()
    many = await table(customer, [{"headline": str(n)} for n in range(11)])
    assert (many.status_code, many.json()["code"]) == (422, "batch_too_large")
    limit = (await customer.limits())["daily_limit"]
    over = await table(customer, [{"headline": str(n)} for n in range(limit + 1)])
    assert (over.status_code, over.json()["code"]) == (429, "daily_limit_reached")
    assert await used(customer) == 0


async def test_money_is_set_aside_for_all_rows_at_once_or_not_at_all(lot: Any) -> None:
    customer = await lot.customer(plan="pro")
    await free(customer)
    await customer.platform.sql(
        "INSERT INTO identity.render_prices (tenant_id, resolution, charge_per_second_minor, "
        "minimum_minor) VALUES ($1, '540p', 1000, 0) "
        "ON CONFLICT DO NOTHING",
        customer.person.tenant_id,
    )
    each = await _price(customer)
    await customer.give_charge(each * 2)
    rows = [{"headline": str(n)} for n in range(3)]
    refused = await table(customer, rows, resolution="540p")
    assert (refused.status_code, refused.json()["code"]) == (402, "not_enough_charge")
    assert (await customer.limits())["charge_minor"] == each * 2
    await customer.give_charge(each * 3 + 5)
    taken = await table(customer, rows, resolution="540p")
    assert taken.status_code == 202, taken.text
    assert taken.json()["charge_minor"] == each * 3
    assert (await customer.limits())["charge_minor"] == 5
    lines = await customer.platform.sql(
        "SELECT balance_after_minor FROM identity.render_charge_ledger "
        "WHERE user_id = $1 AND kind = 'Reserve' ORDER BY balance_after_minor DESC",
        customer.person.id,
    )
    assert [line[0] for line in lines] == [each * 2 + 5, each + 5, 5]
    await ended(customer, taken.json()["id"])

    async def settled() -> bool | None:
        rows = await customer.platform.sql(
            "SELECT reserved_minor FROM identity.render_charge_accounts WHERE user_id = $1",
            customer.person.id,
        )
        return True if rows[0][0] == 0 else None

    await customer.platform.until(settled)


async def _price(customer: Any) -> int:
    rows = await customer.platform.sql(
        "SELECT charge_per_second_minor, minimum_minor FROM identity.render_prices "
        "WHERE resolution = '540p' ORDER BY (tenant_id = $1) DESC LIMIT 1",
        customer.person.tenant_id,
    )
    return max(int(rows[0][0]) * 2, int(rows[0][1]))


async def test_the_same_request_again_is_one_batch_and_the_task_again_one_job_a_row(
    lot: Any,
) -> None:
    customer = await lot.customer()
    await free(customer)
    key = secrets.token_hex(8)
    rows = [{"headline": str(n)} for n in range(3)]
    first = await table(customer, rows, key)
    again = await table(customer, rows, key)
    assert first.json()["id"] == again.json()["id"]
    assert await used(customer) == 3
    service = customer.platform.runtime.plugins["render"].context.get(BatchService)
    wake = BatchWake(tenant_id=customer.person.tenant_id, batch_id=UUID(first.json()["id"]))
    for _ in range(3):
        await service.expand(wake)
    found = await customer.platform.sql(
        "SELECT count(*), count(DISTINCT batch_row) FROM render.render_jobs WHERE batch_id = $1",
        wake.batch_id,
    )
    assert tuple(found[0]) == (3, 3)
    await ended(customer, first.json()["id"])


async def test_a_cancelled_batch_ends_and_gives_back_what_was_never_begun(
    lot: Any, frozen: Any
) -> None:
    customer = await lot.customer()
    await free(customer)
    made = (await table(customer, [{"headline": str(n)} for n in range(4)])).json()
    stranger = await lot.customer()
    for path in ("", "/rows", "/results.csv"):
        answer = await stranger.call("GET", f"/v1/batches/{made['id']}{path}")
        assert answer.status_code == 404, path
    assert (await stranger.call("POST", f"/v1/batches/{made['id']}/cancel")).status_code == 404
    answer = await customer.call("POST", f"/v1/batches/{made['id']}/cancel")
    assert answer.status_code == 200, answer.text
    frozen.thaw()
    batch = await ended(customer, made["id"])
    assert batch["state"] == "Cancelled"
    assert batch["cancelled"] + batch["done"] == 4
    twice = await customer.call("POST", f"/v1/batches/{made['id']}/cancel")
    assert (twice.status_code, twice.json()["code"]) == (409, "job_finished")

    async def closed() -> bool | None:
        rows = await customer.platform.sql(
            "SELECT count(*) FROM identity.render_reservations WHERE user_id = $1 "
            "AND state = 'Reserved'",
            customer.person.id,
        )
        return True if rows[0][0] == 0 else None

    await customer.platform.until(closed)


async def test_failed_rows_are_rendered_again(lot: Any) -> None:
    customer = await lot.customer()
    await free(customer)
    made = (await table(customer, [{"headline": "a"}, {"headline": "b"}])).json()
    batch = await ended(customer, made["id"])
    none = await customer.call("POST", f"/v1/batches/{made['id']}/retry")
    assert (none.status_code, none.json()["code"]) == (409, "nothing_to_retry")
    await customer.platform.sql(
        "UPDATE render.batch_rows SET state = 'Failed', export_id = NULL, error_code = 'x' "
        "WHERE batch_id = $1 AND row = 2",
        UUID(made["id"]),
    )
    again = await customer.call("POST", f"/v1/batches/{made['id']}/retry")
    assert again.status_code == 202, again.text
    assert (again.json()["state"], again.json()["done"]) == ("Running", 1)
    batch = await ended(customer, made["id"])
    assert (batch["state"], batch["done"], batch["failed"]) == ("Done", 2, 0)
    rows = (await customer.get(f"/v1/batches/{made['id']}/rows?after=1"))["data"]
    assert [(row["row"], row["attempt"], row["error_code"]) for row in rows] == [(2, 2, None)]
    jobs = await customer.platform.sql(
        "SELECT retry_of FROM render.render_jobs WHERE batch_id = $1 AND batch_row = 2 "
        "ORDER BY submitted_at",
        UUID(made["id"]),
    )
    assert len(jobs) == 2
    assert jobs[1]["retry_of"] is not None
    assert await used(customer) == 3


async def test_two_retries_at_once_render_each_failed_row_once(lot: Any) -> None:
    """Both found the same rows; what the later one set aside for them goes back."""
    customer = await lot.customer()
    await free(customer)
    made = (await table(customer, [{"headline": "a"}, {"headline": "b"}])).json()
    await ended(customer, made["id"])
    await customer.platform.sql(
        "UPDATE render.batch_rows SET state = 'Failed', export_id = NULL, error_code = 'x' "
        "WHERE batch_id = $1",
        UUID(made["id"]),
    )
    before = await used(customer)
    path = f"/v1/batches/{made['id']}/retry"
    lock = "SELECT FROM render.batches WHERE id = $1 FOR UPDATE"
    async with customer.platform.held(lock, UUID(made["id"])):
        calls = [asyncio.create_task(customer.call("POST", path)) for _ in range(2)]
        await customer.platform.waiters(2, of="render.batches")
    assert [answer.status_code for answer in await asyncio.gather(*calls)] == [202, 202]
    batch = await ended(customer, made["id"])
    assert (batch["state"], batch["done"], batch["failed"]) == ("Done", 2, 0)
    rows = (await customer.get(f"/v1/batches/{made['id']}/rows"))["data"]
    assert [(row["row"], row["attempt"]) for row in rows] == [(1, 2), (2, 2)]
    (jobs,) = await customer.platform.sql(
        "SELECT count(*) AS n FROM render.render_jobs WHERE batch_id = $1", UUID(made["id"])
    )
    assert jobs["n"] == 4

    async def closed() -> bool:
        (row,) = await customer.platform.sql(
            "SELECT count(*) AS n FROM identity.render_reservations WHERE user_id = $1 "
            "AND state = 'Reserved'",
            customer.person.id,
        )
        return bool(row["n"] == 0)

    await customer.platform.until(closed)
    assert await used(customer) == before + 2


async def test_a_table_that_is_far_too_wide_is_refused_by_one_word(lot: Any) -> None:
    customer = await lot.customer()
    wide = {f"c{number}": "x" for number in range(501)}
    answers = [
        await table(customer, [wide]),
        await upload(customer, b",".join([b""] * 2000 + [b"a"]) + b"\n" + b"1,2\n"),
        await upload(customer, b"a\n" + b"1\n" * 10_001),
    ]
    for answer, code in zip(
        answers, ("too_many_columns", "too_many_columns", "too_many_rows"), strict=True
    ):
        assert answer.status_code == 422
        assert [error["code"] for error in answer.json()["errors"]] == [code]
