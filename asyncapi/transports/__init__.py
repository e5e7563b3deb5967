"""Transports send one attempt over the wire, or pretend to: `send` and `aclose` are all they have."""
