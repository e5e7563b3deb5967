"""Call without `await`, in scripts and notebooks: the async client does all the work.

from asyncapi.blocking import Client

with Client("https://api.example.com") as api:
    user = api.get("/users/1", model=User)
"""

from asyncapi.blocking.client import Client, Pages
from asyncapi.blocking.outcomes import Outcomes
from asyncapi.blocking.streaming import Events, Stream, StreamedResponse
from asyncapi.blocking.websocket import WebSocket

__all__ = ["Client", "Events", "Outcomes", "Pages", "Stream", "StreamedResponse", "WebSocket"]
