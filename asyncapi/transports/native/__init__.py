"""Send attempts over connections of our own, without aiohttp: the native transport.

    transport   the way of one attempt: it finds an origin, takes a connection, makes the response
    origins     the pool: origins, idle connections, the timer that closes them
    exchange    one request and its response, the same for every version of HTTP
    incoming    the body of a streamed response: it holds a fast server back
    sending     the body of a request, as fast as it is taken
    dialing/    new connections: names, addresses, TLS, pins, proxies
    http1/      HTTP/1.1
    http2/      HTTP/2; its frames are `sansio/http2/`
    http3/      HTTP/3 over qh3, and its race with TCP

A new version of HTTP is a folder whose connections are `Carrier`s (`exchange.py`), and that `origins.py` asks first.
"""
