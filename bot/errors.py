"""Why the program ends by itself; each message is the sentence that the command line prints."""


class SecondPoller(Exception):
    """Another process fetches updates with the same token."""

    def __init__(self) -> None:
        super().__init__(
            "Another process fetches updates with this TELEGRAM_BOT_TOKEN (409 Conflict); one token serves "
            "one running bot: stop the other process, or use another token here."
        )


class ForeignWebhook(Exception):
    """Another program has set a webhook with the same token while this one runs."""

    def __init__(self, host: str | None) -> None:
        """host: of the webhook; None: not known."""
        super().__init__(
            f"Another program has set a webhook{f' to {host}' if host else ''} with this TELEGRAM_BOT_TOKEN "
            "(409 Conflict); one token serves one running bot: remove the token from the other program, or "
            "use another token here."
        )


class TokenRefused(Exception):
    """Telegram does not know the bot token."""

    def __init__(self) -> None:
        super().__init__(
            "Telegram refuses TELEGRAM_BOT_TOKEN; copy it from @BotFather again, "
            "and if TELEGRAM_API_URL is set, check that it is the address of a Bot API server."
        )


class PortTaken(Exception):
    """The port of a setting can't be listened on."""

    def __init__(self, setting: str, port: int, why: str) -> None:
        super().__init__(f"{setting} {port} can't be listened on: {why}.")


class FileRefused(Exception):
    """A file that a command was given can't be used; nothing was changed."""


class OutputFailed(Exception):
    """What a command was to write could not be written completely."""
