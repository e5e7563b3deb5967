"""One concern a file: each is a function that takes its settings once and returns a `Layer`."""
