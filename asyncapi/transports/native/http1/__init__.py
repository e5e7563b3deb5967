"""Speak HTTP/1.1 (RFC 9112): one exchange at a time on a connection."""
