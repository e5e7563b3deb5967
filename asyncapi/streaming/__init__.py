"""Bodies read while they arrive: streams, downloads, server-sent events."""
