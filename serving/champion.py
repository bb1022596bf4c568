"""Which bundle is served: the folder that the pointer `champion` names, replaced atomically and watched."""

import os
import shutil
from pathlib import Path

from models import Bundle, BundleRefused, load_bundle

POINTER = "champion"


def _folder(home: Path) -> Path:
    return home / "bundles"


def _name(digest: str) -> str:
    name = digest.removeprefix("sha256:")
    if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
        raise BundleRefused(f"the bundle digest has {len(name)} characters, expected 64 hexadecimal ones")
    return name


def install(bundle_path: Path, home: Path) -> str:
    """Verify a bundle, copy it to the home folder under its digest, and return the digest. Raises BundleRefused.

    A copy that is there is left alone, unless it was damaged since.
    """
    digest = load_bundle(bundle_path).digest
    target = _folder(home) / _name(digest)
    if not _is_intact(target):
        partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(bundle_path, partial)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    return digest


def _is_intact(path: Path) -> bool:
    try:
        Bundle.read(path)
    except BundleRefused:
        return False
    return True


def installed(home: Path) -> list[Path]:
    """The folders of all installed bundles."""
    return sorted(path for path in _folder(home).glob("*") if path.is_dir() and not path.suffix)


def set_champion(home: Path, digest: str) -> None:
    """Serve an installed bundle from now on. Raises BundleRefused if it is not installed."""
    name = _name(digest)
    if not (_folder(home) / name).is_dir():
        raise BundleRefused(f"bundle {name[:12]}… is not installed in {_folder(home)}")
    partial = _folder(home) / f"{POINTER}.{os.getpid()}.partial"
    partial.write_text(name + "\n", "ascii")
    partial.replace(_folder(home) / POINTER)


def champion_path(home: Path) -> Path | None:
    """The folder of the promoted bundle, or None if none was promoted. Raises BundleRefused if the pointer is bad."""
    try:
        name = (_folder(home) / POINTER).read_text("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    return _folder(home) / _name(name)


def stamp(path: Path) -> tuple[tuple[str, int, int], ...]:
    """What differs once a folder's files do: their names, sizes and times of change; empty where there is none."""
    try:
        files = [(file.name, file.stat()) for file in path.iterdir()]
    except OSError:
        return ()
    return tuple(sorted((name, status.st_size, status.st_mtime_ns) for name, status in files))
