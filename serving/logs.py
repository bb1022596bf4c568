"""The service's log: one JSON object a line on standard error, without report text."""

import logging
import sys
import traceback
from pathlib import Path

import structlog

log: structlog.stdlib.BoundLogger = structlog.get_logger("frontline")


def configure(level: str) -> None:
    """Set the log up once per process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def where(error: BaseException) -> list[str]:
    """Where an exception came from, without its message: messages of libraries may quote what they were given."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-12:]]
