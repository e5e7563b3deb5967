"""Stand in for the APIs that the code under test calls: the routes of a test, and what was sent to them."""
