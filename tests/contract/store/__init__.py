"""The contract suite of storage/store.py, for every implementation."""
