"""Storms without sockets: servers with hidden limits, and the clients that must find and keep them."""
