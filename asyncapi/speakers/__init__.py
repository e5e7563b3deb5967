"""Protocols spoken over a client (GraphQL, WebSocket, gRPC): they use its calls and own no network."""
