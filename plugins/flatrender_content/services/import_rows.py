"""What a read package says about the template's own row. No I/O."""

from flatrender.clock import uuid7
from flatrender_content.domain import Row, running_time
from flatrender_content.services.reading import ReadPackage


def package_key(package: ReadPackage) -> str:
    """Return where a package lies: under its hash."""
    return f"packages/{package.sha256}.lottie"


def container_row(package: ReadPackage, report: dict[str, object]) -> Row:
    """Return the columns of a template that its package decides."""
    manifest = package.manifest
    first = manifest.variants[0]
    return {
        "id": uuid7(),
        "slug": manifest.slug,
        "name_fa": manifest.name.fa,
        "name_en": manifest.name.en,
        "description_fa": manifest.description.fa,
        "description_en": manifest.description.en,
        "keywords": manifest.keywords,
        "mode": manifest.mode,
        "direction": manifest.direction,
        "engine": manifest.engine,
        "duration": running_time(first, manifest.direction),
        "scene_count": len(first.scenes),
        "package_object_key": package_key(package),
        "package_sha256": package.sha256,
        "package_version": manifest.version,
        "package_size": package.size,
        "manifest": manifest,
        "audio": manifest.audio,
        "author": manifest.author,
        "import_report": report,
    }
