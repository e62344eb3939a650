"""A fake gateway."""

from bot.sandbox.gateway.server import FakeGateway as FakeGateway
