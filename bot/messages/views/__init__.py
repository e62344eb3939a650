"""A module per kind of message; each function builds one message."""
