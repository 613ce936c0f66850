"""A pattern's `$` also matches before a newline at the end: ours do not let it through."""

from typing import Any

import msgspec
import pytest

from flatrender.template import manifest
from flatrender_content import schemas as content
from flatrender_files import schemas as files
from flatrender_render.farm import cache, reports, wire
from flatrender_render.services import rules


@pytest.mark.parametrize(
    ("kind", "good"),
    [
        (manifest.Key, "title"),
        (manifest.Slug, "logo-reveal"),
        (manifest.Hex, "#00ff00"),
        (content.TemplateSlug, "Logo-Reveal"),
        (content.HexColor, "#00ff00"),
        (rules.Name, "ae_crash"),
        (rules.Glob, "network*"),
        (cache.Digest, "0" * 64),
        (reports.Digest, "0" * 64),
        (wire.MediaType, "video/mp4"),
        (wire.Preview, "data:image/jpeg;base64,/9j/4AAQSkZJRg=="),
    ],
)
def test_a_newline_at_the_end_is_refused(kind: Any, good: str) -> None:
    assert msgspec.convert(good, kind) == good
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(good + "\n", kind)


def test_a_file_has_a_type_and_a_digest_of_one_line() -> None:
    fields: dict[str, Any] = {"name": "a.png", "size_bytes": 3, "content_type": "image/png"}
    kind = files.UploadBody
    assert msgspec.convert(fields, kind).content_type == "image/png"
    for field, value in (("content_type", "image/png\n"), ("sha256", "0" * 64 + "\n")):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**fields, field: value}, kind)
