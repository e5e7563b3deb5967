"""Speak HTTP/3 (RFC 9114) where an origin offers it, with TCP beside it."""
