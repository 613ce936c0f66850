"""The embedded servers as a user meets them: start, use, stop, start again, and plain refusals."""

import json
import os
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from flatrender.embedded import EmbeddedError, EmbeddedStack, PostgresEndpoint, ValkeyEndpoint
from flatrender.embedded import folder as folder_module
from flatrender.embedded.folder import DataFolder, is_free, is_root, may_enter
from flatrender.embedded.postgres import _wheel_binaries
from flatrender.embedded.process import identity
from flatrender.embedded.seaweed import call, create_bucket
from flatrender.testing.plugin import run_async

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no embedded Valkey for Windows")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another account may enter (pytest's own are closed, and we may be root)."""
    path = Path(tempfile.mkdtemp(prefix="flatrender-embedded-test-"))
    path.chmod(0o711)
    yield path / "data"
    shutil.rmtree(path)


def valkey_says(endpoint: ValkeyEndpoint, *commands: str) -> str:
    """Send inline commands and return everything that is answered."""
    with socket.create_connection((endpoint.host, endpoint.port), timeout=5) as peer:
        peer.sendall("".join(f"{line}\r\n" for line in (*commands, "QUIT")).encode())
        answer = b""
        while chunk := peer.recv(65_536):
            answer += chunk
    return answer.decode()


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def query(server: PostgresEndpoint, statement: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(server.dsn())
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return run_async(run())


def test_starts_serves_remembers_and_stops(folder: Path) -> None:
    stack = EmbeddedStack(folder, ports={})
    with stack as first:
        pids = stack.processes()
        assert first.postgres
        assert first.valkey
        assert first.s3
        assert set(pids) == {"PostgreSQL", "Valkey", "SeaweedFS"}
        assert query(first.postgres, "CREATE TABLE kept AS SELECT 42 AS n") is None
        assert "+OK" in valkey_says(first.valkey, f"AUTH {first.valkey.password}", "SET kept 42")
        create_bucket(first.s3, "kept")
        assert call(first.s3, "PUT", "/kept/thing", body=b"42") == 200
        # No process shows a secret in its command line, and every one leads its own session.
        for pid in pids.values():
            shown = identity(pid) or ""
            for secret in (first.postgres.password, first.valkey.password, first.s3.secret_key):
                assert secret not in shown
            assert os.getsid(pid) == pid
    assert not any(identity(pid) for pid in pids.values())
    assert not (folder / "run.json").exists()
    ports = (first.postgres.port, first.valkey.port, int(first.s3.host.rpartition(":")[2]))
    assert all(is_free(port) for port in ports)

    with EmbeddedStack(folder, ports={}) as second:
        assert second == first  # same ports, same passwords
        assert second.postgres
        assert second.valkey
        assert second.s3
        assert query(second.postgres, "SELECT n FROM kept") == 42
        assert "42" in valkey_says(second.valkey, f"AUTH {second.valkey.password}", "GET kept")
        assert call(second.s3, "GET", "/kept/thing") == 200


def test_nobody_enters_without_the_password(folder: Path) -> None:
    with EmbeddedStack(folder, ports={}, durable=False) as endpoints:
        assert endpoints.postgres
        assert endpoints.valkey
        assert endpoints.s3
        wrong = endpoints.postgres.dsn(user="flat", password="guess")
        with pytest.raises(asyncpg.InvalidPasswordError):
            run_async(asyncpg.connect(wrong))
        assert "-NOAUTH" in valkey_says(endpoints.valkey, "GET x")
        assert call(endpoints.s3, "GET", "/", signed=False) == 403
        # Other addresses of this machine are closed.
        for port in (endpoints.postgres.port, endpoints.valkey.port):
            with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
                socket.create_connection(("127.0.0.2", port), timeout=5)
        for file in ("secrets.json", "ports.json", "s3/s3.json", "valkey/valkey.conf"):
            assert mode(folder / file) == "0o600", file
        for log in (folder / "logs").iterdir():
            assert mode(log) == "0o600", log
        for private in ("postgres", "valkey", "s3", "logs"):
            assert mode(folder / private) == "0o700", private
        assert mode(folder) == ("0o711" if is_root() else "0o700")
        secrets = json.loads((folder / "secrets.json").read_text())
        assert len(set(secrets.values())) == len(secrets) >= 4
        assert endpoints.postgres.password not in repr(endpoints)


def test_a_second_start_in_the_folder_is_one_clear_line(folder: Path) -> None:
    with EmbeddedStack(folder, ports={}, postgres=False, s3=False, durable=False) as endpoints:
        second = EmbeddedStack(folder, ports={}, postgres=False, s3=False)
        running = (folder / "run.json").read_text()
        with pytest.raises(EmbeddedError, match=f"process {os.getpid()} already runs") as refused:
            second.start()
        assert str(folder.resolve()) in str(refused.value)
        assert "\n" not in str(refused.value)
        assert endpoints.valkey  # the first one is untouched by the refused one's clean-up
        assert "-NOAUTH" in valkey_says(endpoints.valkey, "GET x")
        second.stop()
        assert (folder / "run.json").read_text() == running  # how a later start finds orphans


def test_a_busy_port_that_was_asked_for_is_one_clear_line(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = EmbeddedStack(folder, ports={"valkey": port}, postgres=False, s3=False)
        with pytest.raises(EmbeddedError) as refused:
            stack.start()
    line = str(refused.value)
    assert f"port {port} for valkey is in use" in line
    assert "FLATRENDER_EMBEDDED_VALKEY_PORT" in line
    assert stack.processes() == {}


def test_ports_come_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = DataFolder(folder)
    port.create(min_free_bytes=0)
    free = port.ports(["valkey"], {})["valkey"]
    monkeypatch.setenv("FLATRENDER_EMBEDDED_VALKEY_PORT", str(free))
    with EmbeddedStack(folder, postgres=False, s3=False, durable=False) as endpoints:
        assert endpoints.valkey
        assert endpoints.valkey.port == free
    monkeypatch.setenv("FLATRENDER_EMBEDDED_VALKEY_PORT", "many")
    with pytest.raises(EmbeddedError, match="must be a port number"):
        EmbeddedStack(folder)


def test_a_busy_remembered_port_is_replaced(folder: Path) -> None:
    with EmbeddedStack(folder, ports={}, postgres=False, s3=False, durable=False) as first:
        assert first.valkey
        port = first.valkey.port
    with (
        socket.create_server(("127.0.0.1", port)),
        EmbeddedStack(folder, ports={}, postgres=False, s3=False, durable=False) as second,
    ):
        assert second.valkey
        assert second.valkey.port != port
        assert "PONG" in valkey_says(second.valkey, f"AUTH {second.valkey.password}", "PING")


def test_a_port_lost_to_somebody_quicker_is_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        stolen = taken.getsockname()[1]
        picks = iter([stolen])
        pick = folder_module._pick_port
        monkeypatch.setattr(
            folder_module, "_pick_port", lambda used: next(picks, None) or pick(used)
        )
        with EmbeddedStack(folder, ports={}, postgres=False, s3=False, durable=False) as endpoints:
            assert endpoints.valkey
            assert endpoints.valkey.port != stolen
    assert next(picks, "all used") == "all used"


def test_too_little_disk_is_one_clear_line(folder: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"only \d+ MiB are free .* free some space"):
        EmbeddedStack(folder, min_free_bytes=2**62).start()


def test_a_folder_that_cannot_be_made_is_one_clear_line(folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(EmbeddedError, match="cannot be used"):
        EmbeddedStack(folder).start()


def test_data_of_another_postgres_is_refused_untouched(folder: Path) -> None:
    (folder / "postgres").mkdir(parents=True)
    (folder / "secrets.json").write_text('{"postgres": "x"}')
    (folder / "postgres" / "PG_VERSION").write_text("14\n")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 14 .* choose another folder"):
        EmbeddedStack(folder, valkey=False, s3=False, ports={}).start()
    assert [path.name for path in (folder / "postgres").iterdir()] == ["PG_VERSION"]


def test_a_lost_password_is_not_silently_replaced(folder: Path) -> None:
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "PG_VERSION").write_text("18\n")
    with pytest.raises(EmbeddedError, match=r"has no password .* restore the file"):
        EmbeddedStack(folder, valkey=False, s3=False, ports={}).start()


def test_binaries_that_are_missing_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLATRENDER_EMBEDDED_PG_BIN", str(folder / "nowhere"))
    with pytest.raises(EmbeddedError, match="FLATRENDER_EMBEDDED_PG_BIN"):
        EmbeddedStack(folder, valkey=False, s3=False, ports={}).start()


def test_another_postgres_runs_by_its_folder(pg15: PostgresEndpoint) -> None:
    assert str(query(pg15, "SHOW server_version")).startswith("15.")


def test_a_creation_that_fails_says_why(folder: Path, tmp_path: Path) -> None:
    for name in ("initdb", "postgres"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'initdb: error: no space left'; exit 1\n")
        (tmp_path / name).chmod(0o755)
    binaries = folder.parent / "bin"
    shutil.copytree(tmp_path, binaries)
    binaries.chmod(0o755)
    stack = EmbeddedStack(folder, valkey=False, s3=False, ports={}, pg_bin=binaries)
    with pytest.raises(EmbeddedError, match=r"cluster \(initdb: error: no space left\)"):
        stack.start()
    assert not (folder / "postgres").exists()
    assert not list(folder.glob(".pw-*"))


def test_an_interrupted_creation_is_begun_anew(folder: Path) -> None:
    (folder / "postgres.new").mkdir(parents=True)
    (folder / "postgres.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedStack(folder, valkey=False, s3=False, ports={}, durable=False) as endpoints:
        assert endpoints.postgres
        assert query(endpoints.postgres, "SELECT 1") == 1
    assert not (folder / "postgres.new").exists()
    assert not list(folder.glob(".pw-*"))


@pytest.mark.skipif(not is_root(), reason="only root has to drop to another account")
def test_root_with_a_closed_folder_and_closed_binaries(folder: Path) -> None:
    binaries = _wheel_binaries()
    assert binaries is not None
    package = binaries.parents[1]
    closed = folder.parent / "closed"
    closed.mkdir(mode=0o700)
    (closed / package.name).symlink_to(package)
    (closed / f"{package.name}.libs").symlink_to(package.with_name(f"{package.name}.libs"))
    stack = EmbeddedStack(
        closed / "data",
        valkey=False,
        s3=False,
        ports={},
        durable=False,
        pg_bin=closed / package.name / binaries.parent.name / "bin",
    )
    made: list[Path] = []
    try:
        with stack as endpoints:
            assert endpoints.postgres
            assert query(endpoints.postgres, "SELECT 1") == 1
            away = Path((closed / "data" / "postgres.location").read_text().strip())
            made.append(away.parent)
            where = query(endpoints.postgres, "SHOW data_directory")
            assert where == str(away)
            ran = Path(f"/proc/{stack.processes()['PostgreSQL']}/exe").resolve()
            made.append(ran.parents[3])
            assert closed not in ran.parents
            owner = Path(f"/proc/{stack.processes()['PostgreSQL']}").stat().st_uid
            assert owner != 0
            assert may_enter(ran.parent, (owner, -1))
    finally:
        for path in made:
            assert "flatrender-embedded" in str(path)
            shutil.rmtree(path)
