"""Why the program ends by itself; each message is the sentence for whoever started it."""


class SecondPoller(Exception):
    """Another process fetches updates with the same token."""

    def __init__(self) -> None:
        super().__init__(
            "Another process fetches updates with this TELEGRAM_BOT_TOKEN (409 Conflict); one token serves "
            "one running bot: stop the other one, or give this one a token of its own."
        )


class ForeignWebhook(Exception):
    """Another program has set a webhook with the same token while this one runs."""

    def __init__(self, host: str | None) -> None:
        """host: of the webhook; None: not known."""
        super().__init__(
            f"Another program has set a webhook{f' to {host}' if host else ''} with this TELEGRAM_BOT_TOKEN "
            "(409 Conflict); one token serves one running bot: take the token out of the other program, or "
            "give this one a token of its own."
        )


class TokenRefused(Exception):
    """Telegram does not know the bot token."""

    def __init__(self) -> None:
        super().__init__(
            "Telegram refuses TELEGRAM_BOT_TOKEN; take it from @BotFather anew, "
            "and if TELEGRAM_API_URL is set, see that a Bot API server answers there."
        )


class PortTaken(Exception):
    """HEALTH_PORT can't be listened on."""

    def __init__(self, port: int, why: str) -> None:
        super().__init__(f"HEALTH_PORT {port} can't be listened on: {why}.")
