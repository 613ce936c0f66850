"""Valkey and the object store: reachable, configured so that nothing is lost, clocks agreeing."""

import contextlib
import secrets
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from flatrender.clock import SystemClock
from flatrender.doctor.finding import (
    PATIENCE,
    Finding,
    error,
    judge_clock,
    limited,
    ok,
    reason,
    warning,
)
from flatrender.settings import Settings
from flatrender.storage import ObjectStore, StoreError

_PROBE_PREFIX = "doctor/"


async def examine_valkey(settings: Settings) -> list[Finding]:
    """Ask Valkey for its health and for the settings that would lose work."""
    where = _place(settings.valkey.url)
    client: Any = Redis.from_url(
        settings.valkey.url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
    )
    try:
        facts = await limited(client.info())
        seconds, micros = await limited(client.time())
    except (OSError, TimeoutError, RedisError) as fault:
        return [judge_valkey_fault(where, fault)]
    finally:
        await client.aclose()
    skew = seconds + micros / 1e6 - SystemClock().now().timestamp()
    return [*judge_valkey(where, facts), judge_clock("Valkey", skew)]


async def examine_store(settings: Settings) -> list[Finding]:
    """Put, get and delete one object, as a worker would."""
    where = settings.storage.endpoint
    store = ObjectStore(settings.storage, SystemClock())
    key = f"{_PROBE_PREFIX}{secrets.token_hex(8)}"
    data = secrets.token_bytes(64)
    try:
        try:
            await limited(store.put(key, data))
            same = await limited(store.get(key)) == data
        finally:
            with contextlib.suppress(StoreError, TimeoutError):
                await limited(store.delete(key))
    except (StoreError, OSError, TimeoutError) as fault:
        return [judge_store_fault(where, settings.storage.bucket, fault)]
    finally:
        store.close()
    if not same:
        return [error(f"the store at {where} gave back other bytes", "check the store's disks")]
    found = [ok(f"objects go in and out of bucket {settings.storage.bucket} at {where}")]
    with contextlib.suppress(httpx.HTTPError, ValueError, TypeError):
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
            answer = await client.get(where)
        theirs: datetime = parsedate_to_datetime(answer.headers["date"])
        # The Date header has whole seconds: half a second is the middle of what it may mean.
        skew = (theirs - SystemClock().now()).total_seconds() + 0.5
        found.append(judge_clock("the object store", skew))
    return found


def judge_valkey_fault(where: str, fault: BaseException) -> Finding:
    """Say why Valkey could not be asked."""
    if isinstance(fault, AuthenticationError) or "NOAUTH" in str(fault):
        return error(
            f"Valkey at {where} refuses the password",
            "put the right one into FLATRENDER_VALKEY_URL",
        )
    return error(
        f"Valkey does not answer at {where}: {reason(fault)}",
        "start it, or correct FLATRENDER_VALKEY_URL",
    )


def judge_valkey(where: str, facts: dict[str, Any]) -> list[Finding]:
    """Judge the answer of INFO: version, eviction, persistence of the queues."""
    version = facts.get("valkey_version") or facts.get("redis_version") or "?"
    found = [ok(f"Valkey {version} at {where}")]
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found.append(
            error(f"Valkey evicts keys ({policy}): queued work would vanish",
                  "set maxmemory-policy noeviction")
        )  # fmt: skip
    if not facts.get("aof_enabled"):
        found.append(
            warning(
                "Valkey keeps no append-only file: after its crash queued work waits for the sweep",
                "set appendonly yes",
            )
        )
    if facts.get("loading"):
        found.append(warning("Valkey is still loading its data", "wait and ask again"))
    if facts.get("aof_last_write_status", "ok") != "ok":
        found.append(error("Valkey cannot write its append-only file", "free its disk"))
    return found


def judge_store_fault(where: str, bucket: str, fault: BaseException) -> Finding:
    """Say why the store did not take or give an object."""
    text = reason(fault)
    if "NoSuchBucket" in text or "bucket does not exist" in text:
        return error(
            f"there is no bucket {bucket} at {where}",
            "make it, or correct FLATRENDER_STORAGE_BUCKET",
        )
    if any(
        word in text for word in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied")
    ):
        return error(
            f"the store at {where} refuses our key",
            "correct FLATRENDER_STORAGE_ACCESS_KEY and FLATRENDER_STORAGE_SECRET_KEY",
        )
    if "MaxRetryError" in text or "NewConnectionError" in text:
        text = "no connection"
    if "RequestTimeTooSkewed" in text:
        return error(f"the store at {where} finds our clock wrong", "run a time service")
    return error(
        f"the store does not work at {where}: {text}",
        "start it, or correct FLATRENDER_STORAGE_ENDPOINT",
    )


def _place(url: str) -> str:
    """Return host and port of a URL, without the password in it."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 6379}"
