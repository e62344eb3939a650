"""A make-believe Telegram."""

from bot.sandbox.telegram.server import FakeTelegram as FakeTelegram
