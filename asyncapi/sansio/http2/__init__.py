"""HTTP/2 without sockets (RFC 9113): two engines behind one face, the client's side only."""
