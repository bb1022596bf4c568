"""The rows of the mail corpus: a mail's subject and plain text, HTML reduced to text."""

import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import PurePosixPath
from typing import cast

from training.fetch.tables import Files
from training.rows import Row

CUT = 8000  # characters of subject and body that a row keeps
PLAIN = 40  # characters; a shorter plain part beside HTML only says that the rest is HTML
BREAKS = {"br", "p", "div", "tr", "li", "h1", "h2", "h3"}
CELLS = {"td", "th"}
UNSEEN = {"script", "style", "title", "head"}


def spamassassin(files: Files) -> Iterator[Row]:
    """Mails by the folder that they were filed in."""
    for path in sorted(files):
        yield {"text": mail_text(files[path]), "labels": {"group": PurePosixPath(path).parent.name}}


def mail_text(raw: bytes) -> str:
    """Subject and body of a mail: its plain parts without attachments, or its HTML where those say next to nothing."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    parts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    for part in cast(Iterator[EmailMessage], mail.walk()):
        kind = part.get_content_type()
        if kind in parts and part.get_content_disposition() != "attachment":
            parts[kind].append(_content(part))
    body = "\n\n".join(parts["text/plain"])
    if parts["text/html"] and len(body.strip()) < PLAIN:
        body = html_text("\n\n".join(parts["text/html"]))
    elif re.search(r"<(html|body)\b", body, re.IGNORECASE):  # HTML that calls itself plain
        body = html_text(body.strip())
    subject = re.sub(r"\s+", " ", str(mail["subject"] or "")).strip()
    return f"Subject: {subject}\n\n{_squeeze(body)}"[:CUT]


def html_text(html: str) -> str:
    """HTML as text: a line per block, a space between cells, no runs of spaces."""
    reader = _Reader()
    reader.feed(html)  # and never closed: what an unfinished tag or entity at the end holds stays out
    text = re.sub(r"[ \t\xa0]+", " ", "".join(reader.found))
    return _squeeze(re.sub(r" *\n *", "\n", text))


def _content(part: EmailMessage) -> str:
    try:
        return str(part.get_content())
    except LookupError:  # a character set that nobody knows
        return cast(bytes, part.get_payload(decode=True)).decode("latin-1")


def _squeeze(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.unseen = 0  # how many elements that nobody sees are open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A block begins a line."""
        if tag in UNSEEN:
            self.unseen += 1
        elif tag in BREAKS:
            self.found.append("\n")
        elif tag in CELLS:
            self.found.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """What follows is seen again."""
        if tag in UNSEEN:
            self.unseen = max(0, self.unseen - 1)

    def handle_data(self, data: str) -> None:
        """Words."""
        if not self.unseen:
            self.found.append(data)
