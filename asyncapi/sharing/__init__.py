"""What the processes of a fleet share by Redis: limits, pauses, the state of keys."""
