"""Send attempts over connections of our own."""
