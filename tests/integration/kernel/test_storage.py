"""The object store: bytes in and out, links and forms that allow exactly what they say."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from flatrender.clock import SystemClock, random_token
from flatrender.settings import StorageSettings
from flatrender.storage import ObjectMissing, ObjectStore, ObjectTooLong, StoreError
from flatrender.storage.store import disposition


@pytest.fixture
async def store(object_store_config: StorageSettings) -> AsyncIterator[ObjectStore]:
    opened = ObjectStore(object_store_config, SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def key() -> str:
    return f"tests/{random_token(8)}.bin"


async def test_put_get_stat_keys_delete(store: ObjectStore, key: str, tmp_path: Path) -> None:
    await store.put(key, b"0123456789", content_type="text/plain")
    assert await store.get(key) == b"0123456789"
    assert await store.get(key, offset=2, length=3) == b"234"
    found = await store.stat(key)
    assert (found.size, found.content_type) == (10, "text/plain")
    assert await store.keys(key[:-4]) == [key]
    await store.download(key, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"0123456789"
    deep = tmp_path / "not" / "there" / "yet"
    await asyncio.gather(*(store.download(key, deep) for _ in range(8)))
    assert deep.read_bytes() == b"0123456789"
    assert list(deep.parent.iterdir()) == [deep]
    await store.put(key, tmp_path / "copy")
    await store.delete(key)
    await store.delete(key)
    with pytest.raises(ObjectMissing):
        await store.get(key)
    with pytest.raises(ObjectMissing):
        await store.stat(key)


async def test_a_link_opens_its_object_and_no_other(store: ObjectStore, key: str) -> None:
    await store.put(key, b"secret")
    name = 'a"b\r\nSet-Cookie: x/../\u202eنام.png'
    link = store.link(key, download_name=name, content_type="application/octet-stream")
    async with httpx.AsyncClient() as client:
        answer = await client.get(link)
        assert (answer.status_code, answer.content) == (200, b"secret")
        header = answer.headers["content-disposition"]
        assert header.startswith("attachment; filename=")
        assert "set-cookie" not in answer.headers
        for broken in (link.replace(key, f"{key}x"), link.split("?")[0], link[:-4] + "0000"):
            assert (await client.get(broken)).status_code in (401, 403), broken
        assert (await client.put(link, content=b"mine")).status_code in (401, 403)
    assert await store.get(key) == b"secret"


async def test_a_form_takes_exactly_what_was_agreed(store: ObjectStore, key: str) -> None:
    form = store.upload_form(key, content_type="image/png", size=5)
    refused = [
        (form.fields, b"123456"),  # longer
        (form.fields, b"1234"),  # shorter
        ({**form.fields, "key": f"{key}-other"}, b"12345"),
        ({**form.fields, "Content-Type": "text/html"}, b"12345"),
    ]
    async with httpx.AsyncClient() as client:
        for fields, data in refused:
            answer = await client.post(form.url, data=fields, files={"file": ("x", data)})
            assert answer.status_code >= 400, fields
        assert await store.keys(key[:-4]) == []
        taken = await client.post(form.url, data=form.fields, files={"file": ("x", b"12345")})
        assert taken.status_code < 300, taken.text
    assert (await store.stat(key)).content_type == "image/png"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("success_action_status", "200"),
        ("success_action_redirect", "https://evil.example/"),
        ("x-amz-meta-owner", "me"),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-website-redirect-location", "https://evil.example/"),
        ("x-amz-tagging", "<Tagging/>"),
    ],
)
async def test_a_form_takes_no_field_that_was_not_agreed(
    store: ObjectStore, key: str, field: str, value: str
) -> None:
    form = store.upload_form(key, content_type="image/png", size=5)
    async with httpx.AsyncClient() as client:
        fields = {**form.fields, field: value}
        answer = await client.post(form.url, data=fields, files={"file": ("x", b"12345")})
    assert answer.status_code == 403, (answer.status_code, answer.headers, answer.text)
    assert await store.keys(key[:-4]) == []


async def test_bytes_that_are_called_compressed_stay_as_they_are(
    store: ObjectStore, key: str, tmp_path: Path
) -> None:
    """A store keeps the encoding a form names; taken at its word, a kilobyte becomes a megabyte."""
    packed = gzip.compress(bytes(1 << 20))
    form = store.upload_form(key, content_type="image/png", size=len(packed))
    async with httpx.AsyncClient() as client:
        fields = {**form.fields, "Content-Encoding": "gzip"}
        sent = await client.post(form.url, data=fields, files={"file": ("x", packed)})
    assert sent.status_code in (204, 403)
    if sent.status_code == 403:  # a store that refuses the field
        await store.put(key, packed)
    await store.download(key, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == packed
    assert await store.get(key) == packed
    assert list(tmp_path.iterdir()) == [tmp_path / "copy"]


async def test_no_more_is_taken_than_was_asked_for(
    store: ObjectStore, key: str, tmp_path: Path
) -> None:
    await store.put(key, bytes(100))
    with pytest.raises(ObjectTooLong):
        await store.download(key, tmp_path / "copy", most=99)
    assert list(tmp_path.iterdir()) == []
    await store.download(key, tmp_path / "copy", most=100)
    assert (tmp_path / "copy").read_bytes() == bytes(100)


async def test_a_copy_is_made_of_the_very_object_only(store: ObjectStore, key: str) -> None:
    etag = await store.put(key, b"proven", content_type="text/html", metadata={"note": "mine"})
    kind = {"etag": etag, "content_type": "video/mp4"}
    await store.copy(key, f"{key}.kept", **kind)
    await store.put(key, b"forged", content_type="video/mp4")
    with pytest.raises(StoreError):
        await store.copy(key, f"{key}.late", **kind)
    with pytest.raises(ObjectMissing):
        await store.copy(f"{key}.none", f"{key}.late", **kind)
    kept = await store.stat(f"{key}.kept")
    assert (await store.get(f"{key}.kept"), kept.content_type) == (b"proven", "video/mp4")
    assert await store.keys(f"{key}.late") == []


async def test_an_access_list_in_a_form_opens_nothing(store: ObjectStore, key: str) -> None:
    form = store.upload_form(key, content_type="image/png", size=5)
    async with httpx.AsyncClient() as client:
        fields = {**form.fields, "acl": "public-read"}
        await client.post(form.url, data=fields, files={"file": ("x", b"12345")})
        answer = await client.get(store.link(key).split("?")[0])
    assert answer.status_code == 403, answer.status_code


@pytest.mark.parametrize("name", ["response-content-type", "response-content-disposition"])
async def test_what_a_link_is_answered_as_is_signed(
    store: ObjectStore, key: str, name: str
) -> None:
    await store.put(key, b"<script>alert(1)</script>", content_type="application/octet-stream")
    bare = store.link(key)
    full = store.link(key, download_name="a.svg", content_type="application/octet-stream")
    value = {"response-content-type": "text/html", "response-content-disposition": "inline"}[name]
    split = urlsplit(full)
    exchanged = [(k, value if k == name else v) for k, v in parse_qsl(split.query)]
    async with httpx.AsyncClient() as client:
        answer = await client.get(full)
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment;")
        for forged in (
            f"{bare}&{name}={value}",
            f"{full}&{name}={value}",
            split._replace(query=urlencode(exchanged)).geturl(),
        ):
            answer = await client.get(forged)
            assert answer.status_code == 403, (forged, answer.headers)


async def test_an_expired_form_takes_nothing(store: ObjectStore, key: str) -> None:
    form = store.upload_form(key, content_type="image/png", size=5, expires=timedelta(seconds=-60))
    async with httpx.AsyncClient() as client:
        answer = await client.post(form.url, data=form.fields, files={"file": ("x", b"12345")})
    assert answer.status_code >= 400


async def test_a_store_that_is_away_is_a_retryable_error(
    object_store_config: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import msgspec

    away = msgspec.structs.replace(object_store_config, endpoint="http://127.0.0.1:9", timeout=0.2)
    store = ObjectStore(away, SystemClock())
    monkeypatch.setattr(store._http.connection_pool_kw["retries"], "total", 0)
    try:
        with pytest.raises(StoreError) as refused:
            await store.get("anything")
        assert refused.value.retryable
    finally:
        store.close()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\r\nb", "\u202egpj.exe", "x" * 5000, "", '"']
)
def test_any_name_makes_one_clean_header(name: str) -> None:
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert len(header) < 3000
    assert "/" not in header
    assert "%E2%80%AE" not in header
