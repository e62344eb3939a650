"""The Bot API's methods, as far as the bot calls them."""
