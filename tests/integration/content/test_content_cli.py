"""``flatrender catalogue`` as an operator runs it, against the test's own servers."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flatrender.testing import packages as build
from flatrender.testing.platform import FAST
from flatrender_content.cli import catalogue


def _run(environment: Mapping[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(catalogue, list(arguments), env={**FAST, **environment})


def test_import_says_what_it_did_and_list_shows_it(
    server_environment: dict[str, str], tmp_path: Path, fresh_slug: str
) -> None:
    package = tmp_path / "t.lottie"
    package.write_bytes(build.package(build.manifest(slug=fresh_slug)))
    first = _run(server_environment, "import", str(package))
    assert first.exit_code == 0, first.output
    assert f"{fresh_slug} 1.0.0: created, draft" in first.output
    again = _run(server_environment, "import", str(package), "--publish")
    assert f"{fresh_slug} 1.0.0: unchanged, published" in again.output, again.output
    listed = _run(server_environment, "list")
    line = next(line for line in listed.output.splitlines() if line.startswith(fresh_slug))
    assert line.split() == [fresh_slug, "1.0.0", "Flexible", "16:9", "published"]


def test_a_refused_package_names_every_reason(
    server_environment: dict[str, str], tmp_path: Path
) -> None:
    package = tmp_path / "bad.lottie"
    package.write_bytes(b"PK no zip")
    refused = _run(server_environment, "import", str(package))
    assert refused.exit_code == 1
    assert "/: zip_invalid" in refused.output


def test_install_refuses_a_slug_it_does_not_know(server_environment: dict[str, str]) -> None:
    wrong = _run(server_environment, "install", "--only", "nobody")
    assert wrong.exit_code == 2
    assert "nobody" in wrong.output


def test_install_publishes_and_leaves_alone_what_has_not_changed(
    server_environment: dict[str, str],
    tmp_path: Path,
    fresh_slug: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package = tmp_path / "t.lottie"
    package.write_bytes(build.package(build.manifest(slug=fresh_slug)))
    # The demo catalogue itself takes seconds to make; it is installed in tests/e2e.
    monkeypatch.setattr("flatrender_content.catalogue.build.build_all", lambda *_: [package])
    first = _run(server_environment, "install")
    assert f"{fresh_slug} 1.0.0: created, published" in first.output, first.output
    # A second time nothing is examined: the engine is never asked.
    inspector = sys.modules["flatrender_render.services.inspector"].InspectorService
    monkeypatch.delattr(inspector, "inspect")
    again = _run(server_environment, "install")
    assert again.exit_code == 0, again.output
    assert f"{fresh_slug} 1.0.0: unchanged, published" in again.output
