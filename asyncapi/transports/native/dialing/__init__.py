"""Make new connections: names, addresses, TLS, pins, proxies."""
