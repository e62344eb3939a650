"""The container's probe: asks the running bot whether it is well."""

import sys
import urllib.error
import urllib.request

_PATIENCE_S = 5.0
# Docker hands HTTP_PROXY to every container: https://docs.docker.com/engine/cli/proxy/
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def probe(port: int, host: str = "127.0.0.1") -> bool:
    """Print what the bot says of itself; whether it is well."""
    try:
        with _DIRECTLY.open(f"http://{_reachable(host)}:{port}/healthz", timeout=_PATIENCE_S) as answer:
            print(answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.read().decode(), file=sys.stderr)
        return False
    except OSError as error:
        print(f"The bot does not answer on port {port}: {error}.", file=sys.stderr)
        return False
    return True


def _reachable(host: str) -> str:
    """The host as it is asked; who listens at every address is asked at this machine's own."""
    every = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with
    address = every.get(host, host)
    return f"[{address}]" if ":" in address else address
