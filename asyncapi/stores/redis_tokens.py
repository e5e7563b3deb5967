"""Store tokens and responses in Redis or Valkey, for a fleet of processes: one of them fetches, all use it.

1. What is stored is encrypted (Fernet) with a key that the server never sees.
2. The lock is a lease: who holds it renews it, and if the holder dies, it ends within ten seconds. A holder that was
   frozen for longer has lost it, and is not told: two renewals are then possible, as without a lock.
3. Each operation opens a connection of its own. Tokens are renewed once an hour or so, and a connection that is kept
   would belong to one event loop, which a store does not. Each client has a connection of its own for responses
   (redis_responses.py).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from asyncapi.errors import AuthError, ConfigError
from asyncapi.stores.redis import RedisConnection, Unavailable, check_options
from asyncapi.stores.redis_responses import RedisResponses
from asyncapi.stores.redis_scripts import LOCK, UNLOCK
from asyncapi.stores.redis_url import check_url, shown_url
from asyncapi.stores.responses import bound_of
from asyncapi.stores.tokens import cryptography_of, fernet_of, key_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_MAX_BYTES = 256 * 1024 * 1024
_LEASE = 10.0  # seconds that a lock outlives its holder
_RENEW = 3.0  # seconds between two renewals of it
_POLL = 0.05  # seconds between two looks at a lock that another process holds
_PATIENCE = 4.0  # seconds in which an operation is tried again; those who use a store wait for five


class RedisStore:
    """Store tokens, or responses, for all processes that share a server, a name and a key.

        RedisStore("redis://cache.internal:6379/0", name="orders", key=Env("TOKEN_KEY"))
        Client("https://api.example.com", cache=Cache(store=RedisStore("redis://cache.internal", key=Env("CACHE_KEY"))))

    Both are encrypted. While the server is away, or takes longer than a tenth of a second, a cache keeps responses in
    memory.

    Args:
        url: The server's URL, as of `asyncapi.Redis`.
        key: A Fernet key (`FileStore.new_key()`), as text, `SecretStr`, or a source such as `Env` or `File`. Every
            process needs the same.
        name: What they belong to; keys begin with it.
        max_bytes: Most bytes of responses under this name, 256 MiB by default. The least recently used go first, and
            all that were not used for a week; one of a sixteenth, or of 4 MiB, or more is not stored.

    Raises:
        ConfigError: redis-py (extra `redis`) or cryptography (extra `auth`) is not installed, the URL can't be read, or
            the key is not a Fernet key.
    """

    def __init__(self, url: str, *, key: Any, name: str = "asyncapi", max_bytes: int = _MAX_BYTES) -> None:
        self._url = check_url(url)
        self._name = name
        self._max_bytes = bound_of("RedisStore", max_bytes)
        check_options(url)
        cryptography_of("RedisStore")
        if hasattr(key, "get_secret_value"):  # pydantic's SecretStr
            key = key.get_secret_value()
        if not isinstance(key, str) and not hasattr(key, "now"):
            raise ConfigError("RedisStore(key=): give a Fernet key, or its source: Env('TOKEN_KEY')")
        self._key = key
        self._fernet: Any = fernet_of("RedisStore", key) if isinstance(key, str) else None

    def responses(self, room: int) -> RedisResponses:
        """Make the store of one client's responses; `room` is the bytes of memory while the server is away."""
        return RedisResponses(self._url, self._name, self._max_bytes, room, key_text("RedisStore", self._key))

    async def load(self, name: str) -> str | None:
        """Return the text that was saved under this name, or None.

        Raises:
            AuthError: The server can't be asked, or the text was written with another key.
        """
        sealed = await self._ask("GET", self._place(name))
        if sealed is None:
            return None
        cipher = self._cipher()
        with suppress(cryptography_of("RedisStore").InvalidToken, ValueError, TypeError):
            return str(cipher.decrypt(sealed).decode())
        raise AuthError("the token in Redis was written with another key, or is damaged: give that key, or delete it")

    async def save(self, name: str, text: str) -> None:
        """Save the text under this name.

        Raises:
            AuthError: The server can't be asked.
        """
        await self._ask("SET", self._place(name), self._cipher().encrypt(text.encode()))

    async def delete(self, name: str) -> None:
        """Delete what was saved under this name, if anything.

        Raises:
            AuthError: The server can't be asked.
        """
        await self._ask("DEL", self._place(name))

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        """Hold a lease, so that one process at a time renews a token (rule 2).

        Raises:
            AuthError: The server can't be asked.
        """
        me, place = uuid4().hex, f"{{{self._name}}}:token-lock"
        lease = (LOCK, (place,), (me, int(_LEASE * 1000)))
        while not await self._run(*lease):  # noqa: ASYNC110 - another process holds it
            await asyncio.sleep(_POLL)
        renewal = asyncio.get_running_loop().create_task(self._renew(*lease))
        try:
            yield
        finally:
            renewal.cancel()
            with suppress(AuthError):  # it ends by itself
                await self._run(UNLOCK, (place,), (me,))

    async def _renew(self, *lease: Any) -> None:
        """Renew a lock for as long as it is held."""
        while True:
            await asyncio.sleep(_RENEW)
            with suppress(AuthError):
                await self._run(*lease)

    def _place(self, name: str) -> str:
        return f"{{{self._name}}}:token:{sha256(name.encode()).hexdigest()[:32]}"

    def _cipher(self) -> Any:
        return self._fernet or fernet_of("RedisStore", self._key.now())

    async def _ask(self, *parts: Any) -> Any:
        return await self._try("command", *parts)

    async def _run(self, *parts: Any) -> Any:
        return await self._try("run", *parts)

    async def _try(self, how: str, *parts: Any) -> Any:
        """Ask the server, until it replies or patience ends: every question may be repeated."""
        connection = RedisConnection(self._url, tells=False)
        why = ""
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    try:
                        return await getattr(connection, how)(*parts)
                    except Unavailable as error:
                        why = str(error)
                        await asyncio.sleep(_POLL)
        except TimeoutError:
            raise AuthError(f"the token store at {shown_url(self._url)} can't be asked: {why or 'no reply'}") from None
        finally:
            await connection.aclose()

    def __repr__(self) -> str:
        return f"RedisStore({shown_url(self._url)!r}, name={self._name!r})"
