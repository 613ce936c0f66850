"""A whole deployment on one machine: embedded servers, schema, catalogue, API and worker.

The API and the worker are the separate processes they are in production, configured by the same
environment variables. Whatever ends the block, nothing is left running.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import asyncpg
import httpx

from flatrender.db import migrations
from flatrender.embedded import Command, EmbeddedError, EmbeddedStack, Endpoints, ManagedProcess
from flatrender.embedded.folder import read_json, write_private
from flatrender.embedded.process import ServerExit
from flatrender.plugin import discover, migration_directories

DATABASE = "flatrender"
ENVIRONMENT_FILE = "up.env"
_SECRETS = ("database", "security", "cursor")
Say = Callable[[str], None]


class LocalDeployment:
    """Everything on embedded servers in one data folder. Use as a context manager.

    ``http_port`` 0 chooses a free one and remembers it. ``on_trouble`` is called from a thread
    when a process dies by itself, with one line that says which and where its log is;
    ``before_stop`` before everything is stopped, also when the start itself has failed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        http_port: int = 0,
        render_slots: int = 0,
        say: Say = lambda _line: None,
        on_trouble: Callable[[str], None] | None = None,
        before_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_trouble = on_trouble
        self._before_stop = before_stop
        self._stack = EmbeddedStack(folder, on_exit=self._died, max_connections=300)
        self.folder = self._stack.folder.path
        self._http_port = http_port
        self._render_slots = render_slots
        self._say = say
        self._processes: list[ManagedProcess] = []
        self._reported = threading.Event()
        self.endpoints: Endpoints | None = None
        self.environment: dict[str, str] = {}
        self.base_url = ""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop API and worker, then the servers. Safe to call twice; interrupted, it kills them."""
        self._before_stop()
        processes, self._processes = self._processes, []
        if self.environment:  # else this folder may be another process's
            self.environment_file.unlink(missing_ok=True)
        for process in processes:
            process.ask_to_stop()
        try:
            for process in processes:
                process.wait_stopped()
        except BaseException:
            for process in processes:
                process.kill()
            raise
        finally:
            self._stack.stop()

    @property
    def environment_file(self) -> Path:
        """Return the file that holds the settings of this deployment while it runs (mode 0600).

        With ``flatrender --env FILE COMMAND`` every command works on this deployment.
        """
        return self.folder / ENVIRONMENT_FILE

    def run(self, *arguments: str, timeout: float = 120.0) -> None:
        """Run one ``flatrender`` command against this deployment and wait for it.

        Raises :class:`EmbeddedError` with the tail of its output when it fails.
        """
        name = arguments[0]
        process = ManagedProcess.spawn(self._command(name, arguments))
        deadline = time.monotonic() + timeout
        try:
            while process.returncode is None:
                if time.monotonic() > deadline:
                    raise EmbeddedError(f"flatrender {name} took longer than {timeout:.0f} s")
                time.sleep(0.02)
        finally:
            process.kill()
        if process.returncode:
            tail = (self.folder / "logs" / f"{name}.log").read_text("utf-8", "replace")[-1500:]
            raise EmbeddedError(f"flatrender {name} failed: {tail.strip()}")

    def _start(self) -> None:
        begun = time.monotonic()
        endpoints = self.endpoints = self._stack.start()
        self._say(f"PostgreSQL, Valkey and S3 are up ({time.monotonic() - begun:.1f} s)")
        ports = self._stack.folder.ports(
            ["http"], {"http": self._http_port} if self._http_port else {}, setting="--port"
        )
        self.base_url = f"http://127.0.0.1:{ports['http']}"
        self.environment = self._environment(endpoints, ports["http"])
        write_private(
            self.environment_file,
            "".join(
                f"{name}={shlex.quote(value)}\n"
                for name, value in self.environment.items()
                if name.startswith("FLATRENDER_")
            ),
        )
        applied = asyncio.run(self._prepare_database(endpoints))
        self._say(f"schema: {f'{len(applied)} migrations applied' if applied else 'up to date'}")
        begun = time.monotonic()
        self._spawn("serve", "serve", "--port", str(ports["http"]))
        self._spawn("worker", "worker")
        self.run("catalogue", "install")
        self._wait_ready()
        self._say(f"API and worker are up, catalogue installed ({time.monotonic() - begun:.1f} s)")

    def _environment(self, endpoints: Endpoints, port: int) -> dict[str, str]:
        if endpoints.postgres is None or endpoints.valkey is None or endpoints.s3 is None:
            raise EmbeddedError("the embedded servers did not all start")
        keys = self._keys()
        postgres, s3 = endpoints.postgres, endpoints.s3
        values = {
            "FLATRENDER_DATA_DIR": str(self.folder),
            "FLATRENDER_DATABASE_HOST": postgres.host,
            "FLATRENDER_DATABASE_PORT": str(postgres.port),
            "FLATRENDER_DATABASE_NAME": DATABASE,
            "FLATRENDER_DATABASE_MIGRATOR_USER": postgres.superuser,
            "FLATRENDER_DATABASE_MIGRATOR_PASSWORD": postgres.password,
            "FLATRENDER_DATABASE_PASSWORD": keys["database"],
            "FLATRENDER_VALKEY_URL": endpoints.valkey.url(),
            "FLATRENDER_STORAGE_ENDPOINT": s3.endpoint,
            "FLATRENDER_STORAGE_ACCESS_KEY": s3.access_key,
            "FLATRENDER_STORAGE_SECRET_KEY": s3.secret_key,
            "FLATRENDER_STORAGE_REGION": s3.region,
            "FLATRENDER_HTTP_PORT": str(port),
            "FLATRENDER_HTTP_PUBLIC_URL": self.base_url,
            "FLATRENDER_HTTP_CURSOR_KEY": keys["cursor"],
            "FLATRENDER_SECURITY_SECRET_KEY": keys["security"],
            "FLATRENDER_WORKER_RENDER_SLOTS": str(self._render_slots),
            "PYTHONDONTWRITEBYTECODE": "",
        }
        # What a person set explicitly stays, but never for where our own servers are.
        chosen = ("FLATRENDER_WORKER_RENDER_SLOTS",)
        return {k: os.environ.get(k, v) if k in chosen else v for k, v in values.items()}

    def _keys(self) -> dict[str, str]:
        path = self.folder / "keys.json"
        keys: dict[str, Any] = read_json(path)
        missing = [name for name in _SECRETS if name not in keys]
        if missing:
            keys |= {name: secrets.token_urlsafe(48) for name in missing}
            write_private(path, json.dumps(keys))
        return {name: str(keys[name]) for name in _SECRETS}

    async def _prepare_database(self, endpoints: Endpoints) -> list[str]:
        postgres = endpoints.postgres
        if postgres is None:
            raise EmbeddedError("PostgreSQL did not start")
        connect = {
            "host": postgres.host,
            "port": postgres.port,
            "user": postgres.superuser,
            "password": postgres.password,
        }
        connection = await asyncpg.connect(**connect, database="postgres")
        try:
            if not await connection.fetchval(
                "SELECT 1 FROM pg_database WHERE datname = $1", DATABASE
            ):
                await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await connection.close()
        password = self.environment["FLATRENDER_DATABASE_PASSWORD"]
        return await migrations.migrate(
            connect | {"database": DATABASE},
            directories=migration_directories(),
            passwords=dict.fromkeys(discover(), password),
        )

    def _spawn(self, name: str, *arguments: str) -> None:
        process = ManagedProcess.spawn(self._command(name, arguments))
        process.watch(self._died)
        self._processes.append(process)

    def _command(self, name: str, arguments: tuple[str, ...]) -> Command:
        return Command(
            name=name,
            argv=[sys.executable, "-m", "flatrender", *arguments],
            cwd=Path.cwd(),
            log=self.folder / "logs" / f"{name}.log",
            env=self.environment,
            grace=25.0,
        )

    def _wait_ready(self, timeout: float = 60.0) -> None:
        deadline = time.monotonic() + timeout
        for _ in self._polls(deadline):
            dead = [p for p in self._processes if p.returncode is not None]
            if dead:
                log = dead[0].command.log
                lines = log.read_text("utf-8", "replace").strip().splitlines()
                last = lines[-1] if lines else "no output"
                raise EmbeddedError(f"{dead[0].command.name} did not start: {last} (log: {log})")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.base_url}/health/ready", timeout=5).status_code == 200:
                    return
        raise EmbeddedError(f"the API was not ready after {timeout:.0f} s")

    def _polls(self, deadline: float) -> Iterator[None]:
        while time.monotonic() < deadline:
            yield
            time.sleep(0.05)

    def _died(self, event: ServerExit) -> None:
        if self._reported.is_set():
            return
        self._reported.set()
        if self._on_trouble is not None:
            self._on_trouble(event.line)
