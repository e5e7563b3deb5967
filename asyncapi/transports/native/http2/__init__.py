"""Speak HTTP/2 (RFC 9113): many exchanges at a time on one connection."""
