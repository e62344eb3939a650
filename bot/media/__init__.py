"""The video file: download, check, repair, cache."""
