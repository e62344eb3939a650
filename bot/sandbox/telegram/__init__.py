"""A fake Telegram."""

from bot.sandbox.telegram.server import FakeTelegram as FakeTelegram
