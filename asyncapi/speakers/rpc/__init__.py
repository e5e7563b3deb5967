"""Remote procedure calls over a client: what generated stubs ask of a channel."""
