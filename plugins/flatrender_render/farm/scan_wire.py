"""The messages of full scans between `flatrender node` and the server; see ``wire``.

A scan is named by its id and its epoch; both stand in the path of every report, and an epoch that
is over answers 409 ``stale_epoch``.
"""

from typing import Annotated

from msgspec import Meta, Struct

from flatrender.errors import FieldError
from flatrender.template.project_scan import ProjectScan
from flatrender_render.farm.wire import API

SCANS = f"{API}/scans"
RESULT_BYTES = 32 * 2**20  # of a report; a project of ten thousand layers stays below


class ScanFound(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What After Effects found."""

    result: ProjectScan


class ScanRefused(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file is no project or bundle: why, with places."""

    errors: Annotated[list[FieldError], Meta(min_length=1, max_length=100)]
