"""The container's probe: asks the running bot whether it is well."""

import sys
import urllib.error
import urllib.request

_PATIENCE_S = 5.0


def probe(port: int) -> bool:
    """Print what the bot says of itself; whether it is well."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=_PATIENCE_S) as answer:
            print(answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.read().decode(), file=sys.stderr)
        return False
    except OSError as error:
        print(f"The bot does not answer on port {port}: {error}.", file=sys.stderr)
        return False
    return True
