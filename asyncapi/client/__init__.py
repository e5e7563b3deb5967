"""The client: its settings, its layers in their order, its state, and `Client` itself."""

from asyncapi.client.client import Client

__all__ = ["Client"]
