"""What goes over the wire, and what is written down of it: requests, responses, calls, bodies, and their encoding."""
