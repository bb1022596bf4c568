"""The rows of the sources that are published as folders of small text files."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from training.fetch.tables import Files, only, pick, table, text_of
from training.rows import Row

SAMPLES = ("sampled_train", "sampled_test")


def stormfront(files: Files) -> Iterator[Row]:
    """Sentences, one a file, with a table of their labels; the makers' samples are folders with copies of some."""
    paths = [PurePosixPath(path) for path in files]
    split = {path.stem: path.parent.name for path in paths if path.parent.name in SAMPLES}
    for row in table(only(files, "annotations_metadata.csv")):
        content = files.get(f"all_files/{row['file_id']}.txt")
        if content is not None:
            sample = {"split": split[row["file_id"]]} if row["file_id"] in split else {}
            yield {"text": text_of(content).strip(), "labels": pick(row, "label", "num_contexts"), **sample}


def toxigen(files: Files) -> Iterator[Row]:
    """Sentences on a group, hateful or neutral by the file's name: one a line, then those strung together as prompts.

    A sentence that stands in several places is given once.
    """
    seen: set[str] = set()
    for path in sorted(files):
        label, _, group = PurePosixPath(path).stem.partition("_")
        group = group.removesuffix("_sentences").removesuffix("_1k")
        for text in _sentences(text_of(files[path]), prompts=path.startswith("prompts/")):
            if text and text not in seen:
                seen.add(text)
                yield {"text": text, "labels": {"label": label, "group": group}}


def _sentences(content: str, *, prompts: bool) -> Iterator[str]:
    for line in content.split("\n"):
        if prompts:  # "- one\n- another\n-", where \n is a backslash and an n
            yield from (part.strip().removeprefix("-").strip() for part in line.split("\\n"))
        else:
            yield line.strip()
