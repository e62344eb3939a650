"""One suite for every archive: what storage/store.py promises."""
