"""The chats of the make-believe Telegram."""

ANNA = 1001
GROUP = -100200
FORUM = -100300
CHANNEL = -100400
