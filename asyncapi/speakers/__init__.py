"""Protocols spoken over a client (WebSocket, GraphQL, gRPC): they use its calls and own no network."""
