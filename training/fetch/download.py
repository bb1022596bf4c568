"""Getting a source's files: over HTTPS, or from a folder of files that came by other means; archives are opened."""

import fnmatch
import http.client
import io
import re
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from models.errors import MissingData
from training.sources import Source

LIMIT = 256 * 2**20  # bytes of one download at most; the largest is a tenth of it
TIMEOUT = 60.0  # seconds without a byte
ATTEMPTS = 3
PAUSE = 2.0  # seconds before the second attempt, and twice that before the third
GITHUB = re.compile(r"https://github\.com/([^/]+/[^/]+)/tree/([0-9a-f]{40})")
Advance = Callable[[int, int | None], None]  # bytes so far, and in all where that is known


def files_of(source: Source, given: Path | None, advance: Advance) -> dict[str, bytes]:
    """A source's files by their path upstream; `given` is looked into before anything is downloaded.

    Raises MissingData where one cannot be had.
    """
    contents: dict[str, bytes] = {}
    found: dict[str, bytes] = {}
    for address, path in addresses(source):
        if address not in contents:
            contents[address] = _given(source, address, given) or download(address, advance)
        if "*" in path:
            found |= _unpack(address, contents[address], path)
        else:
            found[path] = contents[address]
    return found


def addresses(source: Source) -> Iterator[tuple[str, str]]:
    """What to download for each entry of a source's `files`, and the path, or a pattern of paths, that it holds."""
    repository = GITHUB.fullmatch(source.address)
    for entry in source.files:
        if entry.startswith("https://"):
            address, _, pattern = entry.partition("#")
            yield address, pattern or PurePosixPath(address).name
        elif repository is None:
            raise MissingData(f"sources.toml: {source.name} names {entry}, and its address is no commit on GitHub")
        elif "*" in entry:
            yield f"https://codeload.github.com/{repository[1]}/tar.gz/{repository[2]}", entry
        else:
            yield f"https://raw.githubusercontent.com/{repository[1]}/{repository[2]}/{entry}", entry


def download(address: str, advance: Advance) -> bytes:
    """Download an address; a network that fails is tried again. Raises MissingData."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * attempt)
        try:
            return _download(address, advance)
        except HTTPError as error:
            error.close()
            problem = f"the server answers {error.code}"
            if error.code < 500 and error.code != 429:
                break
        except (OSError, http.client.HTTPException) as error:
            problem = str(error) or type(error).__name__
    raise MissingData(f"{address} cannot be downloaded: {problem}; --from takes a file that came by other means")


def _download(address: str, advance: Advance) -> bytes:
    request = Request(address, headers={"User-Agent": "frontline"})  # noqa: S310  (sources.toml names HTTPS alone)
    with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        length = int(answer.headers.get("Content-Length") or 0) or None
        content = bytearray()
        while block := answer.read(2**16):
            content += block
            if len(content) > LIMIT:
                raise MissingData(f"{address} sends more than {LIMIT // 2**20} MiB")
            advance(len(content), length)
    if length is not None and len(content) < length:
        raise OSError("the connection broke off")
    return bytes(content)


def _given(source: Source, address: str, folder: Path | None) -> bytes | None:
    file = folder / source.name / PurePosixPath(address).name if folder else None
    return file.read_bytes() if file and file.is_file() else None


def _unpack(address: str, content: bytes, pattern: str) -> dict[str, bytes]:
    """The files of an archive whose path fits; a tar archive's outermost folder is left out of the path."""
    try:
        return _unzip(content, pattern) if content.startswith(b"PK") else _untar(content, pattern)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error):
        raise MissingData(f"{address} is no archive, or a damaged one; fetch it again") from None


def _unzip(content: bytes, pattern: str) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {path: archive.read(path) for path in archive.namelist() if fnmatch.fnmatchcase(path, pattern)}


def _untar(content: bytes, pattern: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            path = member.name.partition("/")[2]
            file = archive.extractfile(member) if fnmatch.fnmatchcase(path, pattern) else None
            if file is not None:  # None for what is no file
                found[path] = file.read()
    return found
