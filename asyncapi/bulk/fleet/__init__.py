"""A job on many workers: its input is split into chunks, and each chunk is a small job on some worker."""
