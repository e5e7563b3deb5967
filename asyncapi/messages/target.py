"""Where a request is sent: the URL as text, and the parts of it that every attempt needs.

Nearly every URL is valid as it is (RFC 3986). The parts of such a URL are cut out of its text, and a `yarl.URL` is made
only when somebody asks for it. Any other URL is read by `asyncapi/messages/uri.py` at once. Both ways give the same
parts and the same object (`tests/messages/test_target.py` holds this).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from asyncapi.messages import uri

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from yarl import URL

# A name without a dot at its end, and a port that is no scheme's default one: yarl would leave those out.
_PLAIN = re.compile(
    rf"http(s?)://([a-z0-9_\-.]++(?<!\.)(?::(?!(?:80|443)(?:/|$))(?:[1-9][0-9]{{0,3}}|[1-5][0-9]{{4}}))?)({uri.PLAIN_PATH})?"
).fullmatch
is_plain: Final[Callable[[str], re.Match[str] | None]] = re.compile(uri.PLAIN_PATH).fullmatch
"""Whether a reference is a path from the root, perhaps with a query, and valid as it is."""
_UNFIT = re.compile("[^!-~]+|#")  # what would break a request line


class Target:
    """Where a request is sent; a `yarl.URL` is made of it only when somebody asks.

    Attributes:
        text: The whole URL, with user-info and fragment if it has them.
        host: The host, with its port where that is not the scheme's default one: the key of limits, and the value of
            `Host`. "" for a relative reference.
        path: The path and the query as they are sent in the request line: never empty for a URL with a host, without
            the fragment.
        secure: Whether its scheme is `https`.
    """

    __slots__ = ("_url", "host", "path", "secure", "text")

    def __init__(self, text: str, host: str, path: str, *, secure: bool, url: URL | None = None) -> None:
        self.text: str = text
        self.host: str = host
        self.path: str = path
        self.secure: bool = secure
        self._url = url

    @classmethod
    def of(cls, url: URL | str | Target) -> Target:
        """Read a URL or a relative reference, as `uri.parse_url` does.

        Raises:
            ConfigError: The text is not a URL.
        """
        if type(url) is Target:
            return url
        if type(url) is str:
            if (found := _PLAIN(url)) is not None:
                secure, host, path = found.groups()
                return cls(url, host, path or "/", secure=secure == "s")
            # "//" begins an authority
            if url[:2] != "//" and is_plain(url):
                return cls(url, "", url, secure=False)
        return cls._of_object(uri.parse_url(url))  # type: ignore[arg-type]  # whatever else it is, is refused there

    @classmethod
    def _of_object(cls, url: URL) -> Target:
        host, path = url.host_port_subcomponent or "", url.raw_path_qs
        if host and path[:1] != "/":
            path = f"/{path}"
        # only an object that was made with encoded=True can have what is invalid
        if _UNFIT.search(path):
            path = _UNFIT.sub(lambda found: uri.codes(found[0]), path)
        return cls(str(url), host, path, secure=url.scheme == "https", url=url)

    @property
    def url(self) -> URL:
        """The URL as an object that keeps its text."""
        url = self._url
        if url is None:
            url = self._url = uri.parse(self.text)
        return url

    @property
    def usable(self) -> bool:
        """Whether it is an absolute URL with a host, whose scheme is `http` or `https`."""
        return bool(self.host) and (self.secure or self.text.startswith("http:"))

    @property
    def origin(self) -> tuple[str, str | None, int | None]:
        """The scheme, host and port (RFC 6454 section 4)."""
        begin, host = 8 if self.secure else 7, self.host
        end = begin + len(host)
        # not user-info, an address in brackets, or a name with a dot at its end, which `host` leaves out
        if (
            self._url is None
            and self.text.startswith(host, begin)
            and host[:1] not in {"", "["}
            and self.text[end : end + 1] != "."
        ):
            name, _, port = host.partition(":")
            return "https" if self.secure else "http", name, int(port) if port else 443 if self.secure else 80
        url = self.url
        return url.scheme, url.raw_host, url.port

    @property
    def has_user(self) -> bool:
        """Whether the URL has user-info."""
        return "@" in self.text and self.url.raw_user is not None

    def below(self, path: str) -> Target:
        """Append a path and a query for which `is_plain` holds; the target itself must end without a slash."""
        return Target(self.text + path, self.host, self.path + path, secure=self.secure)

    def with_pairs(self, pairs: Sequence[tuple[str, str]]) -> Target:
        """Add names and values to the query, as `uri.with_pairs` does."""
        text, path = self.text, self.path
        if path == "/" and not text.endswith("/"):
            text += "/"  # as yarl does, where the URL has no fragment
        if not self.host or "#" in text or not text.endswith(path):
            return Target._of_object(uri.with_pairs(self.url, pairs))
        begin = path.find("?")
        joint = "?" if begin < 0 else "" if begin == len(path) - 1 or path[-1] == "&" else "&"
        added = f"{joint}{uri.query_of(pairs)}"
        return Target(text + added, self.host, path + added, secure=self.secure)

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        """Whether both are the same URL: the same text, or equal as `yarl.URL` objects."""
        if type(other) is not Target:
            return NotImplemented
        if self.text == other.text:
            return True
        return self.path == other.path and self.host == other.host and self.url == other.url

    def __hash__(self) -> int:
        return hash((self.host, self.path))


NOWHERE: Final = Target("", "", "", secure=False)
"""The target of what was never sent."""
