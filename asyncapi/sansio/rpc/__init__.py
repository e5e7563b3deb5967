"""Remote procedure calls: envelopes, status codes, metadata, and the protocols that write and read them."""
