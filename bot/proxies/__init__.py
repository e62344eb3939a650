"""The proxies of the three routes: what a setting says, SOCKS, and why connections through a proxy fail."""
