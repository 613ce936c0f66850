"""The engine's system libraries: found, preloaded from our own copies, fetched, or named."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flatrender import syslibs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds libEGL at load")

HIDDEN = ("libEGL.so.1", "libGL.so.1", "libGLdispatch.so.0", "libGLX.so.0")
TRY_SKIA = "from flatrender.syslibs import preload; preload(); import skia; print('loaded')"


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    syslibs.preload.cache_clear()
    yield
    syslibs.preload.cache_clear()


def system_library(name: str) -> Path | None:
    """Return where the dynamic loader finds a library, by asking a process that loaded it."""
    code = (
        "import ctypes, sys; ctypes.CDLL(sys.argv[1]); "
        "print([l.split()[-1] for l in open('/proc/self/maps') if sys.argv[1][:-2] in l][0])"
    )
    asked = subprocess.run(
        [sys.executable, "-I", "-c", code, name], capture_output=True, text=True, check=False
    )
    return Path(asked.stdout.strip()) if asked.returncode == 0 else None


@pytest.fixture
def bare_machine(tmp_path: Path) -> list[str]:
    """Return the words that run a command where the system has none of the libraries."""
    found = {name: system_library(name) for name in HIDDEN}
    if not all(found.values()):
        pytest.skip("this machine has no libEGL or libGL to hide")
    script = tmp_path / "bare.sh"
    hide = "".join(f"mount --bind /dev/null {path}\n" for path in found.values())
    script.write_text(f'set -e\n{hide}exec "$@"\n')
    command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    words = [*command, "sh", str(script)]
    if not shutil.which("unshare") or subprocess.run([*words, "true"], check=False).returncode:
        pytest.skip("no mount namespaces here: the libraries cannot be hidden")
    return words


def in_bare_machine(words: list[str], code: str, copies: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*words, sys.executable, "-c", code],
        env={**os.environ, "FLATRENDER_SYSLIBS": str(copies)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bare_machine_gets_one_line_that_says_what_to_do(
    bare_machine: list[str], tmp_path: Path
) -> None:
    ended = in_bare_machine(bare_machine, TRY_SKIA, tmp_path / "none")
    assert ended.returncode != 0
    last = ended.stderr.strip().splitlines()[-1]
    assert "libEGL.so.1, libGL.so.1 missing: " in last


def test_a_bare_machine_draws_with_our_own_copies(bare_machine: list[str], tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in HIDDEN:
        source = system_library(name)
        assert source is not None
        shutil.copyfile(source, copies / name)
    ended = in_bare_machine(bare_machine, TRY_SKIA, copies)
    assert ended.stdout.strip() == "loaded", ended.stderr


def test_nothing_is_missing_where_the_system_has_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslibs, "_load", lambda name: True)
    monkeypatch.setattr(syslibs, "_copies", lambda: pytest.fail("looked at copies for nothing"))
    assert syslibs.missing() == []
    syslibs.preload()


def test_the_line_names_the_package_manager_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslibs, "_load", lambda name: False)
    monkeypatch.setattr(syslibs.shutil, "which", lambda tool: tool if tool == "dnf" else None)
    with pytest.raises(syslibs.SystemLibraryError, match="sudo dnf install"):
        syslibs.preload()
    monkeypatch.setattr(syslibs.shutil, "which", lambda tool: None)
    with pytest.raises(syslibs.SystemLibraryError, match="install libEGL and libGL"):
        syslibs.fetch()


@pytest.fixture
def fake_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Package tools that work only with private lists, like those of a slim container.

    A "package" is a file; unpacking it gives one library of a made-up name, by the package's.
    """
    tools = tmp_path / "tools"
    tools.mkdir()
    log = tmp_path / "calls"
    (tools / "apt-get").write_text(
        f"""#!/bin/sh
echo "$@" >> {log}
case "$*" in
  *update) exit 0 ;;
  download*) exit 100 ;;
  *" download "*" libmd0 "* | *libmd0) exit 100 ;;
  *" download "*)
    seen=; for word; do [ -n "$seen" ] && touch "$word.deb"; [ "$word" = download ] && seen=1; done
    exit 0 ;;
esac
"""
    )
    (tools / "dpkg-deb").write_text(
        '#!/bin/sh\nmkdir -p "$3/usr/lib"\n'
        'case "$2" in *libegl1.deb) n=libEGL.so.1 ;; *libgl1.deb) n=libGL.so.1 ;; '
        '*) n=libother.so.1 ;; esac\necho library > "$3/usr/lib/$n"\n'
    )
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("FLATRENDER_SYSLIBS", str(tmp_path / "copies"))
    return log


def test_packages_are_unpacked_beside_the_environment(
    fake_apt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {"libexpat.so.1"}
    monkeypatch.setattr(syslibs, "_load", lambda name: name in here or Path(name).is_file())
    copies = tmp_path / "copies"
    monkeypatch.setattr(
        syslibs, "missing", lambda: [n for n in ("libEGL.so.1",) if not (copies / n).exists()]
    )
    syslibs.fetch()
    # Only what is loaded by name is kept, in one flat folder, nothing half-written beside it.
    assert {path.name for path in copies.iterdir()} == {"libEGL.so.1", "libGL.so.1"}
    calls = fake_apt.read_text().splitlines()
    assert calls[0].startswith("download libegl1 libgl1")
    assert calls[1].endswith("update")
    assert "Dir::State::Lists=" in calls[1]
    # One name that this release does not have costs only itself.
    assert len([line for line in calls if " download " in line]) > 2


def test_a_fetch_that_brings_nothing_is_told(
    fake_apt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(syslibs, "_load", lambda name: False)
    assert syslibs.main() == 1
    assert "could not be fetched: sudo apt-get install -y libegl1" in capsys.readouterr().err
