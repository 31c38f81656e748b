"""Names of hosts that tests call."""

UNKNOWN_HOST = "-no-such-host.invalid"
"""Is looked up in vain, and at once: the C library refuses the hyphen before it asks any name server."""
