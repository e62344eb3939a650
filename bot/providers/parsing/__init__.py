"""Parses responses into the values that the wire formats read."""
