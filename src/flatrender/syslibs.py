"""System libraries of the drawing engine on bare Linux machines: look, fetch without root, preload.

skia-python binds ``libEGL.so.1`` and ``libGL.so.1`` when it is loaded. Desktops have them; bare
servers and slim containers do not. Owns the copies below ``<environment>/syslibs``. Never touches
the system's own folders and never needs root.

Every import of ``skia`` must come after `preload`: the package of the engines calls it first thing.
Run as ``python -m flatrender.syslibs`` it makes sure of the libraries (the Makefile does).
"""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

# In the order of loading: every library after those it needs.
_CHAIN = (
    "libmd.so.0",
    "libbsd.so.0",
    "libXau.so.6",
    "libXdmcp.so.6",
    "libxcb.so.1",
    "libX11.so.6",
    "libGLdispatch.so.0",
    "libGLX.so.0",
    "libEGL.so.1",
    "libGL.so.1",
    "libexpat.so.1",
)
_NEEDED = ("libEGL.so.1", "libGL.so.1", "libexpat.so.1")
# Debian and Ubuntu names; libglvnd0 carries libGLdispatch.
_PACKAGES = (
    "libegl1",
    "libgl1",
    "libglvnd0",
    "libglx0",
    "libx11-6",
    "libxcb1",
    "libxau6",
    "libxdmcp6",
    "libbsd0",
    "libmd0",
    "libexpat1",
)
INSTALL_LINES = {
    "apt-get": "sudo apt-get install -y libegl1 libgl1 libexpat1",
    "dnf": "sudo dnf install -y libglvnd-egl libglvnd-glx expat",
    "zypper": "sudo zypper install -y libglvnd libexpat1",
    "pacman": "sudo pacman -S --needed libglvnd expat",
}


class SystemLibraryError(RuntimeError):
    """The engine's system libraries are missing; the message is one line with the cure."""


def private_folder() -> Path:
    """Return where fetched copies lie: ``FLATRENDER_SYSLIBS``, else beside the environment."""
    return Path(os.environ.get("FLATRENDER_SYSLIBS") or Path(sys.prefix) / "syslibs")


def missing() -> list[str]:
    """Return the libraries that neither the system nor `private_folder` offers; loads the rest."""
    if sys.platform != "linux":
        return []
    absent = [name for name in _NEEDED if not _load(name)]
    if not absent:
        return []
    copies = _copies()
    for name in _CHAIN:
        if not _load(name) and name in copies:
            _load(str(copies[name]))
    return [name for name in absent if not _load(name)]


@cache
def preload() -> None:
    """Make the libraries visible to native modules loaded from now on.

    Raises SystemLibraryError with the exact line to type when one is missing.
    """
    if absent := missing():
        raise SystemLibraryError(f"{', '.join(absent)} missing: {install_line()}")


def install_line() -> str:
    """Return the command that installs the libraries with this system's package manager."""
    for tool, line in INSTALL_LINES.items():
        if shutil.which(tool):
            return line
    return "install libEGL and libGL (the GL vendor-neutral dispatch, libglvnd)"


def fetch() -> None:
    """Download the Debian or Ubuntu packages and unpack them into `private_folder`, without root.

    Raises SystemLibraryError when this system has no apt or the packages cannot be had.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise SystemLibraryError(f"{', '.join(missing())} missing: {install_line()}")
    with tempfile.TemporaryDirectory(prefix="flatrender-syslibs-") as name:
        work = Path(name)
        if not _download(work, []):
            # No package lists (a slim container) or stale ones: lists of our own, no root needed.
            for folder in ("lists/partial", "cache/archives/partial"):
                (work / folder).mkdir(parents=True)
            private = [
                "-o", f"Dir::State::Lists={work / 'lists'}", "-o", f"Dir::Cache={work / 'cache'}",
                "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root",
            ]  # fmt: skip
            _run(["apt-get", *private, "update"], work)
            _download(work, private)
        unpacked = work / "unpacked"
        for package in sorted(work.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(unpacked)], work)
        target = private_folder()
        target.mkdir(parents=True, exist_ok=True)
        for library in sorted(unpacked.glob("**/lib*.so.*")):
            if library.name in _CHAIN and library.is_file():  # the links carry the short names
                _replace(library, target / library.name)
    if absent := missing():
        raise SystemLibraryError(
            f"{', '.join(absent)} missing and could not be fetched: {install_line()}"
        )


def _download(work: Path, options: Sequence[str]) -> bool:
    """Fetch the packages into ``work``; True when all came. Some names differ between releases."""
    if _run(["apt-get", *options, "download", *_PACKAGES], work):
        return True
    if not options:
        return False
    came = [_run(["apt-get", *options, "download", package], work) for package in _PACKAGES]
    return all(came)


def _replace(source: Path, target: Path) -> None:
    """Copy at once: another process may be loading the old file."""
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, fresh)
    fresh.replace(target)


def _run(argv: Sequence[str], folder: Path) -> bool:
    done = subprocess.run(
        argv,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        check=False,
    )
    return done.returncode == 0


def _copies() -> dict[str, Path]:
    folder = private_folder()
    return {path.name: path for path in folder.glob("lib*.so.*")} if folder.is_dir() else {}


def _load(name: str) -> bool:
    try:
        ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True


def main() -> int:
    """Make sure of the libraries; print one line when that fails. Returns the exit status."""
    if not missing():
        return 0
    sys.stdout.write(f"fetching the engine's system libraries for {platform.machine()}\n")
    try:
        fetch()
    except SystemLibraryError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
