"""Cassettes: what was recorded against a real API, and replays without it."""
