"""The bundles at hand, and what each says about itself: a document of its manifest, answered whole or by path."""

from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from models import Bundle, BundleRefused
from serving.champion import installed, stamp
from serving.errors import NotFound
from serving.runtime import Runtime

CHAMPION = "champion"
NEAREST = 5


def known_bundles(runtime: Runtime) -> list[Bundle]:
    """The bundle in force, then the others that are at hand and intact, each digest once. Raises NotReady."""
    found = {runtime.scorer.bundle.digest: runtime.scorer.bundle}
    for path in (runtime.settings.bundle, *installed(runtime.settings.home)):
        if bundle := _intact(path, stamp(path)):
            found.setdefault(bundle.digest, bundle)
    return list(found.values())


@lru_cache(maxsize=32)
def _intact(path: Path, _stamp: tuple[tuple[str, int, int], ...]) -> Bundle | None:
    """The bundle in a folder, None if it is refused; kept as long as the folder stays, as hashing takes a while."""
    try:
        return Bundle.read(path)
    except BundleRefused:
        return None


def find_bundle(runtime: Runtime, name: str) -> Bundle:
    """A bundle by version, digest or `champion`. Raises NotFound, NotReady."""
    if name == CHAMPION:
        return runtime.scorer.bundle
    found = [bundle for bundle in known_bundles(runtime) if name in (bundle.version, bundle.digest)]
    if len(found) > 1:
        raise NotFound("several bundles have this version; name the digest of one, GET /v1/models lists them")
    if not found:
        raise NotFound("no bundle has this version or digest; GET /v1/models lists them, `champion` is in force")
    return found[0]


def describe(bundle: Bundle) -> dict[str, Any]:
    """What a bundle says about itself: its manifest without the golden texts, the evaluation as `statistics`."""
    manifest = bundle.manifest.model_dump(mode="json", exclude={"evaluation", "golden"})
    taxonomy = {"version": bundle.taxonomy.version, "categories": bundle.taxonomy.keys}
    return {"digest": bundle.digest, **manifest, "taxonomy": taxonomy, "statistics": bundle.manifest.evaluation}


def look_up(document: Any, path: str) -> Any:
    """The value at a dotted path; list items go by number. Raises NotFound, which names the nearest existing keys."""
    value, done, rest = document, "", path
    while rest:
        for key, inner in _children(value):
            if rest == key or rest.startswith(f"{key}."):
                value, done, rest = inner, f"{done}{key}.", rest[len(key) + 1 :]
                break
        else:
            keys = [key for key, _ in _children(value)]
            near = get_close_matches(rest.split(".")[0], keys, NEAREST, cutoff=0)
            named = ", ".join(f"{done}{key}" for key in near) or f"{done[:-1]}, which has no keys of its own"
            raise NotFound(f"there is nothing at this path; the nearest that exist are {named}", field="path")
    return value


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from sorted(value.items(), key=lambda item: -len(item[0]))  # `card.md` before `card`
    elif isinstance(value, list):
        yield from ((str(number), inner) for number, inner in enumerate(value))
