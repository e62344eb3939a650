"""Reelwatch: the bot that watches AI video tasks and brings the video to the chat."""

__version__ = "0.1.0"
