"""How long tasks take, learned from past polls."""
