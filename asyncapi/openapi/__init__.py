"""Clients from OpenAPI documents: reading them, checking them, and writing the code of a declared client."""
