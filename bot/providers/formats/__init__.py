"""The wire formats, one file each, and their base class."""
