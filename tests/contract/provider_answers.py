"""Recorded responses in tests/fixtures/providers, and a provider that receives one of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.providers.base import Provider
from bot.providers.gateway import build_gateway
from bot.providers.parsing.response import Response
from bot.providers.registry import ProviderConfig
from tests.fakes.transport import always

FOLDER = Path(__file__).parents[1] / "fixtures" / "providers"
BASE_URL = "https://gateway.example.com"
KEY = "sk-Zq7LmW2xVt9RbK4cYh3N"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A gateway's response, and the expected snapshot or error."""

    name: str
    kind: str
    task_id: str
    status: int
    headers: dict[str, str]
    body: object  # a str is sent unchanged, anything else as JSON
    expect: Mapping[str, object]

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


def recorded(kind: str) -> list[Recorded]:
    """All recorded responses of a kind."""
    return [_load(path) for path in sorted((FOLDER / kind).glob("*.json"))]


def provider_that_gets(kind: str, reply: Response) -> Provider:
    """A provider of the kind whose gateway always sends the same response."""
    config = ProviderConfig(name=kind, kind=kind, base_url=BASE_URL, api_key=KEY)
    return build_gateway(config, always(reply))


def _load(path: Path) -> Recorded:
    case = json.loads(path.read_text(encoding="utf-8"))
    return Recorded(
        name=case["name"],
        kind=path.parent.name,
        task_id=case["task_id"],
        status=case["http_status"],
        headers=case["headers"],
        body=case["body"],
        expect=case["expect"],
    )
