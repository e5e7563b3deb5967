"""What one call is built from: its request, and the deadline of the request that it serves."""
