"""Pure parsers and rules of HTTP: header fields, caching, cookies, codings, links, ranges, event streams, pages."""
