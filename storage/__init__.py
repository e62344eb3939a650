"""The archive: what tasks, watches, events, deliveries and chats are, and where they are kept."""
