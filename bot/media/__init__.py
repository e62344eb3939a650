"""The video file: download, address checks, cache, probe, faststart and remux."""
