"""The faults that somebody at the page switches on and off."""

from enum import StrEnum

from bot.sandbox.faults import Fault, json_response
from bot.sandbox.gateway import FakeGateway
from bot.sandbox.telegram import FakeTelegram

_SLOW_S = 8.0  # until a slow host sends a video
_TOO_MANY = json_response(
    429, {"error": {"message": "Too many requests", "type": "rate_limit_error"}}, {"Retry-After": "5"}
)
_EXPIRED = Fault(
    status=403,
    body=b"<Error><Code>AccessDenied</Code><Message>Request has expired.</Message></Error>",
    headers={"Content-Type": "application/xml"},
)


class Switch(StrEnum):
    """What is broken on purpose."""

    GATEWAY_AWAY = "gatewayAway"
    TELEGRAM_AWAY = "telegramAway"
    TOO_MANY_REQUESTS = "tooManyRequests"
    DEAD_LINKS = "deadLinks"
    SLOW_HOST = "slowHost"


_FAULTS = {
    Switch.TOO_MANY_REQUESTS: ("status", _TOO_MANY),
    Switch.DEAD_LINKS: ("files", _EXPIRED),
    Switch.SLOW_HOST: ("files", Fault(delay_s=_SLOW_S)),
}


class Switches:
    """Breaks the servers, and mends them again."""

    def __init__(self, telegram: FakeTelegram, gateway: FakeGateway) -> None:
        self._telegram = telegram
        self._gateway = gateway
        self._on: set[Switch] = set()

    def turn(self, switch: Switch, *, on: bool) -> None:
        """Switch one on or off."""
        (self._on.add if on else self._on.discard)(switch)
        self._gateway.is_down = Switch.GATEWAY_AWAY in self._on
        self._telegram.is_down = Switch.TELEGRAM_AWAY in self._on
        self._gateway.clear_faults()
        for each in sorted(self._on & _FAULTS.keys()):
            self._gateway.fail(*_FAULTS[each], times=None)

    def states(self) -> dict[str, bool]:
        """All switches."""
        return {each.value: each in self._on for each in Switch}
