"""Pure cores: `now` is passed in, nothing is awaited, nothing reads a clock or a socket."""
