"""Many calls at once, with bounded memory: `Client.map` and `Client.gather`."""
