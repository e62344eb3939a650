"""One message each: what is shown where."""
