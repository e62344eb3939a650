"""The database: the types for tasks, watches, events, deliveries and chats, and their storage."""
