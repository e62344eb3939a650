"""The container's health check: an HTTP request to the running bot."""

import http.client
import sys
import urllib.error
import urllib.request

_TIMEOUT_S = 5.0
_MAX_BYTES = 65_536  # of the response that are printed
# Docker sets HTTP_PROXY in every container: https://docs.docker.com/engine/cli/proxy/
_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def probe(port: int, host: str = "127.0.0.1") -> bool:
    """Print the response of /healthz; return whether the bot is healthy."""
    try:
        with _WITHOUT_PROXY.open(f"http://{_reachable(host)}:{port}/healthz", timeout=_TIMEOUT_S) as response:
            print(response.read(_MAX_BYTES).decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        print(error.read(_MAX_BYTES).decode("utf-8", "replace"), file=sys.stderr)
        return False
    except (OSError, http.client.HTTPException) as error:
        print(f"The bot does not respond on port {port}: {error}.", file=sys.stderr)
        return False
    return True


def _reachable(host: str) -> str:
    """The host for a URL; the wildcard address is replaced by the loopback address."""
    wildcards = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing binds to it
    address = wildcards.get(host, host)
    return f"[{address}]" if ":" in address else address
