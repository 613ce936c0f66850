"""``flatrender template pack``, by the template that docs/templates.md builds from nothing."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flatrender.template.package import TemplatePackage
from flatrender_render.engines.cli import template
from flatrender_render.engines.lottie.cli import lottie

GUIDE = (Path(__file__).parents[3] / "docs" / "templates.md").read_text("utf-8")
FILES = dict(re.findall(r"```json title=(\S+)\n(.*?)```", GUIDE, re.DOTALL))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds what the guide tells a stranger to write."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


def pack(*arguments: str) -> Result:
    return CliRunner().invoke(template, ["pack", "hello", *arguments])


def said_in_the_guide(result: Result) -> bool:
    return all(line in GUIDE.splitlines() for line in result.output.splitlines())


def test_the_guide_leads_from_nothing_to_a_picture(folder: Path) -> None:
    assert set(FILES) == {"hello/flatrender.json", "hello/a/title.json"}
    packed = pack()
    assert packed.exit_code == 0, packed.output
    assert said_in_the_guide(packed), packed.output
    described = CliRunner().invoke(lottie, ["hello.lottie"])
    assert said_in_the_guide(described), described.output
    found = re.search(r"echo '(\{.*\})' > values.json", GUIDE)
    assert found
    (folder / "values.json").write_text(found[1], "utf-8")
    drawn = CliRunner().invoke(
        lottie, ["hello.lottie", "--slots", "values.json", "--frame", "45", "-o", "hello.png"]
    )
    assert drawn.exit_code == 0, drawn.output
    assert (folder / "hello.png").read_bytes().startswith(b"\x89PNG")


def test_a_refused_package_is_not_written_and_every_reason_is_named(folder: Path) -> None:
    manifest = folder / "hello/flatrender.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"id": "headline"', '"id": "title"'))
    refused = pack()
    assert refused.exit_code == 1
    assert said_in_the_guide(refused), refused.output
    assert list(folder.iterdir()) == [folder / "hello"]


def test_an_earlier_package_survives_a_refused_one(folder: Path) -> None:
    assert pack("-o", "out.lottie").exit_code == 0
    before = (folder / "out.lottie").read_bytes()
    (folder / "hello/a/title.json").write_text("{")
    assert pack("-o", "out.lottie").exit_code == 1
    assert (folder / "out.lottie").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "code"),
    [(None, "entry_missing"), ("{", "json_invalid"), ("[]", "type_invalid"), ("{}", "missing")],
)
def test_without_a_manifest_it_says_so(folder: Path, text: str | None, code: str) -> None:
    manifest = folder / "hello/flatrender.json"
    manifest.unlink()
    if text is not None:
        manifest.write_text(text)
    refused = pack()
    assert refused.exit_code == 1
    assert code in refused.output
    assert not (folder / "hello.lottie").exists()


def test_what_has_no_place_is_left_out_and_said(folder: Path) -> None:
    (folder / "hello/notes.md").write_text("later")
    (folder / "hello/.git").mkdir()
    (folder / "hello/.git/HEAD").write_text("ref")
    (folder / "hello/manifest.json").write_text("not ours")
    packed = pack()
    assert packed.exit_code == 0, packed.output
    assert packed.output.count("left out:") == 1
    assert "left out: notes.md" in packed.output
    with TemplatePackage.open(folder / "hello.lottie") as package:
        assert set(package.names) == {"manifest.json", "flatrender.json", "a/title.json"}
