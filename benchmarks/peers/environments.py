"""The environments of the peers: one folder each under `.venv-peers`, made where it is missing or out of date."""

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parent
FOLDER = REQUIREMENTS.parents[1] / ".venv-peers"


class NotMeasured(Exception):
    """A peer cannot be installed, started or used here; the message says why, and quotes no text that is scored."""


def environment(name: str) -> Path:
    """The folder of an environment that holds what `name`.txt pins. Raises NotMeasured where it cannot be made."""
    requirements, folder = REQUIREMENTS / f"{name}.txt", FOLDER / name
    made = folder / "made-from.txt"
    wanted = requirements.read_text("utf-8")
    if not (made.is_file() and made.read_text("utf-8") == wanted):
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        _run(*pip, "-r", str(requirements))
        made.write_text(wanted, "utf-8")
    return folder


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (this interpreter, pip)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR:")] or lines or [f"status {done.returncode}"]
        raise NotMeasured(f"cannot be installed: {errors[-1]}")
