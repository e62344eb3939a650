"""The wire formats, a file each, and what they have in common."""
