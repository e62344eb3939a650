"""Log records as LOG_FORMAT=json writes them."""

import json
from collections.abc import Iterable
from logging import LogRecord
from typing import Any

from bot.log_lines import JsonFormatter, RedactingFilter

_LEFT_OUT = {"time", "level", "logger"}


def json_lines(records: Iterable[LogRecord]) -> list[dict[str, Any]]:
    """The objects of these records, without the time, the level and the logger."""
    redact, formatter = RedactingFilter([]), JsonFormatter()
    lines = [json.loads(formatter.format(record)) for record in records if redact.filter(record)]
    return [{key: value for key, value in line.items() if key not in _LEFT_OUT} for line in lines]
