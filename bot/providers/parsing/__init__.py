"""What a gateway sends → values that the wire formats read."""
