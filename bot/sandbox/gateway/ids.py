"""Generates task ids like those of the four kinds of gateway."""

import secrets
import string
from datetime import UTC, datetime, timedelta
from uuid import uuid4

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(kind: str, now: float) -> str:
    """Generate an id; some contain the submission time; now: unix seconds."""
    match kind:
        case "alibailian":
            return str(uuid4())
        case "newapi":
            return f"task_{_random(string.ascii_letters + string.digits, 32)}"
        case "jimeng":
            beijing = datetime.fromtimestamp(now, tz=UTC) + timedelta(hours=8)
            return f"cgt-{beijing:%Y%m%d%H%M%S}-{_random(string.ascii_lowercase, 5)}"
        case _:
            return f"sora-2:task_{_ulid_time(now)}{_random(_CROCKFORD, 16)}"


def _ulid_time(now: float) -> str:
    """https://github.com/ulid/spec: milliseconds in ten characters."""
    milliseconds = round(now * 1000)
    return "".join(_CROCKFORD[milliseconds >> shift & 31] for shift in range(45, -1, -5))


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
