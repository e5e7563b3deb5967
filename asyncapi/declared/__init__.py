"""Typed facades over a client: `API`, its endpoints and their parameters."""
