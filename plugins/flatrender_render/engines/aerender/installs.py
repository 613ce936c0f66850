"""Which After Effects are on this machine, and the environment they are run in.

Owns the standard places and the reading of versions from their names. Starts nothing: a version
is told by the folder (``Adobe After Effects 2024`` is 24), and by the banner once it runs.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from flatrender_render.engines.aerender.settings import AerenderSettings

_FOLDER = re.compile(r"After Effects (?:CC )?(\d{4})", re.IGNORECASE)
#: Marketing years and the versions they are; from 2022 on both agree.
_YEARS: Final[dict[int, int]] = {
    2014: 13, 2015: 13, 2017: 14, 2018: 15, 2019: 16, 2020: 17, 2021: 18,
}  # fmt: skip
_NEWEST_GUESS: Final = 24  # for a program in a folder of another name

#: What After Effects needs of the system; nothing else of ours reaches it: no secrets, no
#: PYTHONPATH, no proxies.
_KEPT: Final = (
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "PROGRAMDATA", "PROGRAMFILES",
    "PROGRAMFILES(X86)", "COMMONPROGRAMFILES", "COMMONPROGRAMFILES(X86)", "APPDATA",
    "LOCALAPPDATA", "USERPROFILE", "USERNAME", "USERDOMAIN", "HOMEDRIVE", "HOMEPATH", "PUBLIC",
    "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP",
    "TMP", "PATH", "DISPLAY", "__CF_USER_TEXT_ENCODING",
)  # fmt: skip


class Install(Struct, frozen=True, kw_only=True):
    """One After Effects: its two programs and its major version (24 is 2024)."""

    aerender: str
    afterfx: str
    version: int

    @property
    def multi_frame(self) -> bool:
        """Whether it takes ``-mfr`` (2022 on); before, ``-mp``."""
        return self.version >= 22


def version_of(path: str) -> int:
    """Return the major version by the folders of a path; a guess where none says it."""
    found = _FOLDER.findall(path)
    if not found:
        return _NEWEST_GUESS
    year = int(found[-1])
    return _YEARS.get(year, year - 2000)


def find_installs(settings: AerenderSettings, platform: str = sys.platform) -> list[Install]:
    """Return what is installed, newest first."""
    if settings.programs:
        programs: Iterator[Path] = iter([Path(program) for program in settings.programs])
    else:
        programs = _standard(platform)
    found = [_install(program, platform) for program in programs if program.is_file()]
    return sorted(found, key=lambda install: -install.version)


def _standard(platform: str) -> Iterator[Path]:
    if platform == "win32":
        root = Path(os.environ.get("PROGRAMFILES", r"C:\Program Files"), "Adobe")
        yield from sorted(root.glob("Adobe After Effects */Support Files/aerender.exe"))
    elif platform == "darwin":
        yield from sorted(Path("/Applications").glob("Adobe After Effects */aerender"))


def _install(aerender: Path, platform: str) -> Install:
    """Name both programs: scripts are run by After Effects itself, beside ``aerender``."""
    folder = aerender.parent
    if platform == "win32":
        # The console program waits and writes to the pipe; AfterFX.exe does neither.
        console = folder / "AfterFX.com"
        afterfx = console if console.is_file() else folder / "AfterFX.exe"
    elif platform == "darwin":
        afterfx = folder / f"{folder.name}.app" / "Contents" / "MacOS" / "After Effects"
    else:
        afterfx = folder / "AfterFX"
    return Install(aerender=str(aerender), afterfx=str(afterfx), version=version_of(str(aerender)))


def clean_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the whole environment of its processes: clean, and English where it listens.

    The language of the log follows the installation all the same; the parser reads any.
    """
    kept = {name.upper() for name in _KEPT}
    clean = {name: value for name, value in environment.items() if name.upper() in kept}
    clean |= {"LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8"}
    return clean
