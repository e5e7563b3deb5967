"""Queues of waiting tasks, timers, and the event loop that an object belongs to."""
