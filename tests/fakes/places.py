"""The chats of the fake Telegram."""

ANNA = 1001
GROUP = -100200
FORUM = -100300
CHANNEL = -100400
