"""Settings of the engine on one machine, from ``FLATRENDER_AERENDER_*``.

Owns names and defaults. Read in render processes, which know no database.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from flatrender_render.engines.aerender.watchdog import Patience

PREFIX: Final = "FLATRENDER_AERENDER"


class AerenderSettings(Struct, frozen=True, kw_only=True):
    """``programs``: ``aerender`` executables to use; empty looks in the standard places.

    ``output_template`` must exist on the machine under this name and write single pictures of
    kind ``output_suffix``. ``font_folders`` are searched beside the system's own. ``mfr`` is the
    share of processors for multi-frame rendering in percent.
    """

    programs: tuple[str, ...] = ()
    output_template: str = "TIFF Sequence with Alpha"
    output_suffix: str = ".tif"
    font_folders: tuple[str, ...] = ()
    scratch: str = ""
    mfr: int = 90
    patience: Patience = Patience()

    @property
    def scratch_folder(self) -> Path:
        """Where bundles are unpacked and frames are written."""
        return Path(self.scratch or Path(tempfile.gettempdir(), "flatrender-aerender"))


def from_environment(environment: Mapping[str, str] = os.environ) -> AerenderSettings:
    """Read ``FLATRENDER_AERENDER`` (paths, separated as in PATH) and ``FLATRENDER_AERENDER_*``.

    Raises ``ValueError`` for a number that is none.
    """

    def text(name: str, default: str) -> str:
        return environment.get(f"{PREFIX}_{name}", "") or default

    def paths(name: str) -> tuple[str, ...]:
        return tuple(part for part in environment.get(name, "").split(os.pathsep) if part)

    default = AerenderSettings()
    changed = {
        field: float(environment[name])
        for field in Patience.__struct_fields__
        if environment.get(name := f"{PREFIX}_{field.upper()}_SECONDS")
    }
    if factor := environment.get(f"{PREFIX}_FACTOR"):
        changed["factor"] = float(factor)
    return AerenderSettings(
        programs=paths(PREFIX),
        output_template=text("OUTPUT_TEMPLATE", default.output_template),
        output_suffix=text("OUTPUT_SUFFIX", default.output_suffix),
        font_folders=paths(f"{PREFIX}_FONT_FOLDERS"),
        scratch=text("SCRATCH", ""),
        mfr=int(text("MFR", str(default.mfr))),
        patience=replace(default.patience, **changed),
    )
