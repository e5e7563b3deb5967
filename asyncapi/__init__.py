"""asyncapi: an asyncio-first client SDK."""
