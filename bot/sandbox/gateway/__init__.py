"""A make-believe gateway."""

from bot.sandbox.gateway.server import FakeGateway as FakeGateway
