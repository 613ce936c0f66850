"""The same sign-in against npm ``oidc-provider``, which nobody here has written.

Where node and npm are, it is installed once into the environment's own folder;
``FLATRENDER_TEST_PEERS`` names another folder that has it.
"""

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openid_provider import HOME, SECRET, query_of

_PEER = "oidc-provider@9.13.3"
_INSTALL = (
    "install",
    "--no-save",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
)
_SCRIPT = Path(__file__).resolve().parents[3] / "emulators" / "openid_peer.mjs"


def _installed() -> Path:
    """Return the folder of modules with the provider in it; skips where it cannot be had."""
    folder = Path(os.environ.get("FLATRENDER_TEST_PEERS") or Path(sys.prefix) / "test-peers")
    modules, npm = folder / "node_modules", shutil.which("npm")
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:  # the tests run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (modules / "oidc-provider" / "package.json").is_file():
            if npm is None:
                pytest.skip(f"no npm on PATH to install {_PEER} with")
            command = [npm, *_INSTALL, "--prefix", str(folder), _PEER]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                pytest.skip(f"npm cannot install {_PEER}: {done.stderr.strip()[-300:]}")
    return modules


@pytest.fixture(scope="module")
async def peer() -> AsyncIterator[dict[str, str]]:
    """The provider, running: its ``issuer`` and its person's ``accountId``."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on PATH")
    modules = await asyncio.to_thread(_installed)
    process = await asyncio.create_subprocess_exec(
        node,
        str(_SCRIPT),
        str(modules.resolve()),
        "client-of-peer",
        SECRET,
        f"{HOME}/v1/auth/peer/callback",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    while line and not line.startswith(b"{"):
        line = await asyncio.wait_for(process.stdout.readline(), 60)
    assert line, "the provider did not start"
    yield json.loads(line)
    process.stdin.close()
    await process.wait()


@pytest.fixture
async def with_peer(deployment: Any, peer: dict[str, str]) -> dict[str, str]:
    """The deployment knows the provider."""
    answer = await deployment.platform.client.put(
        "/v1/admin/oauth/peer",
        json={
            "client_id": "client-of-peer",
            "client_secret": SECRET,
            "issuer": peer["issuer"],
            "return_urls": ["https://app.example.com/signed-in"],
            "enabled": True,
            "reason": "for tests",
        },
        headers=deployment.admin.headers,
    )
    assert answer.status_code == 200, answer.text
    return peer


async def test_signing_in_and_coming_back(browser: Any, with_peer: dict[str, str]) -> None:
    me = await browser.me(await browser.sign_in("peer"))
    assert me["email"] == f"{with_peer['accountId']}@example.com"
    assert (await browser.me(await browser.sign_in("peer")))["id"] == me["id"]


async def test_the_connection_test_knows_it(deployment: Any, with_peer: dict[str, str]) -> None:
    answer = await deployment.platform.client.post(
        "/v1/admin/oauth/peer/test", headers=deployment.admin.headers
    )
    assert (answer.json()["ok"], answer.json()["client"]) == (True, "accepted")


async def test_replay_wrong_verifier_and_mix_up(
    browser: Any, deployment: Any, with_peer: dict[str, str]
) -> None:
    first = await browser.consent(await browser.begin("peer"))
    second = await browser.consent(await browser.begin("peer"))
    codes = [query_of(where)["code"] for where in (first, second)]
    assert await browser.back(second.replace(codes[1], codes[0])) == {"error": "oauth_failed"}
    replayed = await browser.get(second)
    assert (replayed.status_code, replayed.json()["code"]) == (400, "oauth_state_invalid")
    third = await browser.consent(await browser.begin("peer"))
    iss = query_of(third)["iss"]
    assert iss == with_peer["issuer"]
    mixed = await browser.get(third.replace("/peer/", "/google/"))
    assert mixed.status_code == 400
    await deployment.platform.sql(
        "UPDATE identity.oauth_states SET nonce = 'another' WHERE replace(id::text, '-', '') = $1",
        query_of(third)["state"][:32],
    )
    assert await browser.back(third) == {"error": "oauth_failed"}
