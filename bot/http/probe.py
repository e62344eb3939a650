"""The container's health check: a request to /livez of the running bot."""

import http.client
import json
import sys
import urllib.error
import urllib.request

_TIMEOUT_S = 5.0
_MAX_BYTES = 65_536  # of the response that are read
# Docker sets HTTP_PROXY in every container: https://docs.docker.com/engine/cli/proxy/
_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def probe(port: int, host: str = "127.0.0.1", *, timeout_s: float = _TIMEOUT_S) -> bool:
    """Print in one sentence whether the bot is alive, and return it."""
    try:
        with _WITHOUT_PROXY.open(f"http://{_reachable(host)}:{port}/livez", timeout=timeout_s) as response:
            body, is_alive = response.read(_MAX_BYTES), True
    except urllib.error.HTTPError as error:
        body, is_alive = error.read(_MAX_BYTES), False
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "reason", error)
        if isinstance(why, TimeoutError):
            why = f"no response within {timeout_s:.0f} s"
        elif isinstance(why, OSError):
            why = why.strerror or why
        print(f"The bot does not respond on port {port}: {why}.", file=sys.stderr)
        return False
    summary = _summary_of(body)
    if summary is None:
        print(f"What responds on port {port} is not this bot; see HEALTH_PORT.", file=sys.stderr)
        return False
    print(summary, file=sys.stdout if is_alive else sys.stderr)
    return is_alive


def _summary_of(body: bytes) -> str | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    summary = found.get("summary") if isinstance(found, dict) else None
    # Another program's text could control the terminal.
    return summary if isinstance(summary, str) and summary.isprintable() else None


def _reachable(host: str) -> str:
    """The host for a URL; the wildcard address is replaced by the loopback address."""
    wildcards = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing binds to it
    address = wildcards.get(host, host)
    return f"[{address}]" if ":" in address else address
