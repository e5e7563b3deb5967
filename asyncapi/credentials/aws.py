"""Sign attempts by AWS Signature Version 4, with botocore's own signer (extra `aws`).

    the body                                    its hash
    bytes                                       signed; more than a megabyte is hashed in a thread
    a stream to S3                              UNSIGNED-PAYLOAD, as TLS protects it; without TLS it is read twice
    a stream elsewhere                          read twice, once for the hash
    a call with its own X-Amz-Content-Sha256    that hash

1. The signature is made just above the transport, from what is really sent: every header that the layers wrote, but for
   those to a proxy of a mesh, which takes them out; and the URL in AWS' own encoding, in which it also goes out.
2. If AWS refuses our clock, it is corrected once by the `Date` of the response, for all calls from then on.
3. Keys come from botocore's chain, in a thread: environment, profile, single sign-on, roles, the instance. Keys that
   expire are renewed in the background. Keys that are refused are searched for again, once a call.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from asyncapi.credentials.aws_keys import Chain, Keys, botocore, region_of
from asyncapi.credentials.base import NOTHING, Signature, route
from asyncapi.credentials.renamed import with_old_names
from asyncapi.credentials.sources import account_of, principal_of, source
from asyncapi.credentials.static import _ValueCredential, check_token
from asyncapi.credentials.token_renewal import Tokens
from asyncapi.errors import ConfigError
from asyncapi.messages.request import Body
from asyncapi.sansio.auth.aws_quirks import outdated, skew, strict_url
from asyncapi.sansio.auth.rejections import Rejections
from asyncapi.transports.upload import checked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.sources import PrincipalOf, Value
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response

_LARGE = 1 << 20  # bytes; hashing fewer takes a millisecond or two, and no thread
_S3 = frozenset({"s3", "s3-object-lambda", "s3-outposts"})
_TO_PROXIES = ("x-envoy-", "l5d-")  # sansio/failures/mesh.py
_NAME = re.compile(r"[A-Za-z0-9-]+")
_HASH = "X-Amz-Content-Sha256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_PLACES = (("Authorization", "AWS4-HMAC-SHA256"),)  # what `sign` fills in; a request with its own is left alone


@dataclass(frozen=True, slots=True)
class _Sent:
    """The keys that an attempt was signed with, and how far its time was ahead of our clock, in seconds."""

    keys: Keys
    ahead: float


@with_old_names
class AWSSigV4:
    """Sign every attempt for AWS: S3 and services compatible with it, API Gateway, OpenSearch, Bedrock ...

        AWSSigV4("s3", "eu-central-1")                             keys from the environment, a profile, a role ...
        AWSSigV4("execute-api", access_key=Env("KEY"), secret_key=Env("SECRET"))

    Args:
        service: The service's signing name: "s3", "execute-api", "es", "bedrock", "lambda" ...
        region: By default the region of the environment or the profile.
        access_key: The key's id, instead of a search for keys: text, `Env("NAME")`, `File("path")` or a function.
        secret_key: The key's secret.
        session_token: The token of temporary keys.
        profile: The profile of ~/.aws to take keys and region from.
        credentials: A botocore credentials object, as `boto3.Session().get_credentials()` gives.

    Raises:
        ConfigError: botocore is not installed, there is no region, or the settings don't go together.
    """

    max_resends = 1

    def __init__(
        self,
        service: str,
        region: str = "",
        *,
        access_key: Value | None = None,
        secret_key: Value | None = None,
        session_token: Value | None = None,
        profile: str | None = None,
        credentials: Any = None,
    ) -> None:
        values = {"access_key": access_key, "secret_key": secret_key, "session_token": session_token}
        _check(service, region, values, profile, credentials)
        self._service = service
        self._s3 = service in _S3
        self._signer = getattr(botocore("auth"), "S3SigV4Auth" if self._s3 else "SigV4Auth")
        self._request = botocore("awsrequest").AWSRequest
        self._frozen = botocore("credentials").ReadOnlyCredentials
        self._region = region or region_of(profile)
        self._ahead = 0.0  # seconds that AWS' clock is ahead of ours
        self._chain = Chain(profile, credentials)
        self._rejections = Rejections()  # whether other keys help a route that refuses these as outdated
        self._sources = [source(value, f"AWSSigV4's {name}") for name, value in values.items() if value is not None]
        self.principal: PrincipalOf | None = principal_of(
            *self._sources
        )  # None with a chain: it finds the keys of one machine or role
        constant = self._sources and self.principal is None
        self.account: str | None = account_of("AWSSigV4", *self._sources) if constant else None
        self._keys: _ValueCredential | Tokens[Keys] = Tokens("AWSSigV4", self._chain.find, self._write, what="AWS keys")
        if self._sources:
            self._keys = _ValueCredential("AWSSigV4", self._sources, self._write_given)

    def cached_signature(self, request: Request, context: AuthContext) -> Signature | None:
        """Return the signature, or None if keys or the body's hash take time.

        A URL that is signed already gets nothing.
        """
        # A presigned URL: AWS refuses a second signature beside the one in the query.
        if "X-Amz-Signature" in request.url.query:
            return NOTHING
        signature = self._keys.cached_signature(request, context)
        return None if signature is None or self._hashed_before(request) else self._sent(signature)

    async def fetch_signature(self, request: Request, context: AuthContext) -> Signature:
        """Wait for the keys and the hash of the body, and return the signature.

        Raises:
            AuthError: There are no keys.
            ConfigError: The body is a stream that fails, or has to be read twice and can't be.
        """
        signature = self._keys.cached_signature(request, context) or await self._keys.fetch_signature(request, context)
        if self._hashed_before(request):
            signature = replace(signature, sign=partial(self._sign, signature.source, payload=await _hash(request)))
        return self._sent(signature)

    def on_response(
        self, signature: Signature, response: Response, refused: Sequence[Signature], context: AuthContext
    ) -> str:
        """Correct the clock, or search for other keys, once a call."""
        sent: _Sent | None = signature.source
        now = context.clock.now()
        if sent is None:
            return ""
        if refused:
            if outdated(response.status, response.content):
                self._rejections.renewal_failed(route(response), sent.keys, now)
            return ""
        behind = skew(response.status, response.headers, context.clock.wall() + sent.ahead)
        if behind is not None:  # rule 2
            self._ahead = sent.ahead + behind
            return f"{response.status}, the clock corrected"
        if outdated(response.status, response.content) and self._renewed(sent.keys, response, now):  # rule 3
            return f"{response.status}, other AWS keys"
        return ""

    def describe(self) -> str:
        """Describe the credential in one line for `explain()`, without a secret."""
        keys = f"given ({self._sources[0]!r})" if self._sources else self._chain.describe()
        return f"AWS Signature V4 for {self._service} in {self._region}, keys {keys}"

    def __repr__(self) -> str:
        return f"<AWSSigV4 {self._service} {self._region}>"

    def _sent(self, signature: Signature) -> Signature:
        return replace(signature, source=_Sent(signature.source, self._ahead))

    def _renewed(self, keys: Keys, response: Response, now: float) -> bool:
        if isinstance(self._keys, _ValueCredential):
            sent = (keys.access, keys.secret, keys.token)
            return any(each.renewed(value) for each, value in zip(self._sources, sent, strict=False))
        if not self._keys.serves(keys):
            return True  # another call has had them replaced
        if not self._rejections.may_renew(route(response), now):
            return False
        self._keys.refused(keys)
        return self._chain.forget()

    def _write_given(self, values: Sequence[str]) -> Signature:
        access, secret, token = (*values, "")[:3]
        return self._write(Keys(access, secret, token))

    def _write(self, keys: Keys) -> Signature:
        for value in filter(None, (keys.access, keys.secret, keys.token)):
            check_token("AWSSigV4", value)
        return Signature(
            headers=_PLACES, secrets=(keys.secret, keys.token), source=keys, sign=partial(self._sign, keys)
        )

    def _hashed_before(self, request: Request) -> bool:
        """Whether the hash of the body takes longer than signing may."""
        content = request.content
        if content is None or _HASH in request.headers:
            return False
        if isinstance(content, Body):
            return not self._s3 or (request.url.scheme == "http" and content.rewindable)
        return len(content) > _LARGE  # type: ignore[arg-type]  # bytes, once it is built

    def _sign(self, keys: Keys, request: Request, now: float, *, payload: str = "") -> Request:
        """Return a signed copy of the request; `now` in seconds since the Unix epoch (rule 1)."""
        url, headers = strict_url(request.url, s3=self._s3), CIMultiDict(request.headers)
        stamp = datetime.fromtimestamp(now + self._ahead, UTC).strftime("%Y%m%dT%H%M%SZ")
        headers.pop("Authorization", None)
        headers["X-Amz-Date"] = stamp
        if keys.token:
            headers["X-Amz-Security-Token"] = keys.token
        if _HASH not in headers:
            headers[_HASH] = payload or _hash_now(request.content)
        seen = CIMultiDict((name, value) for name, value in headers.items() if not name.lower().startswith(_TO_PROXIES))
        seen.pop("Content-Length", None)  # framing: a proxy may change it
        seen.setdefault("Host", url.host_port_subcomponent or "")
        draft = self._request(request.method, str(url), seen)
        draft.context["timestamp"] = stamp
        # Not botocore's `add_auth`, which uses the system's clock and logs the token.
        signer = self._signer(self._frozen(keys.access, keys.secret, keys.token), self._service, self._region)
        signature = signer.signature(signer.string_to_sign(draft, signer.canonical_request(draft)), draft)
        names = signer.signed_headers(signer.headers_to_sign(draft))
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={signer.scope(draft)}, SignedHeaders={names}, Signature={signature}"
        )
        return request.copy(url=url, headers=headers)


def _hash_now(content: Any) -> str:
    return _UNSIGNED if isinstance(content, Body) else hashlib.sha256(content or b"").hexdigest()


async def _hash(request: Request) -> str:
    content: Any = request.content
    if not isinstance(content, Body):
        return await asyncio.to_thread(_hash_now, content)
    if not content.rewindable:
        raise ConfigError(
            "AWSSigV4: the hash of the body has to be signed, and a stream can't be read twice: give bytes or a file"
        )
    digest = hashlib.sha256()
    async for piece in checked(content):
        digest.update(piece)
    return digest.hexdigest()


def _check(service: str, region: str, values: Mapping[str, Any], profile: str | None, credentials: Any) -> None:
    access, secret, token = values.values()
    if not service or not isinstance(service, str):
        raise ConfigError("AWSSigV4: give the service's signing name, such as 's3' or 'execute-api'")
    if not _NAME.fullmatch(f"{service}{region}"):
        raise ConfigError(f"AWSSigV4({service!r}, {region!r}): these are not valid names of a service and a region")
    if (access is None) != (secret is None) or (token is not None and access is None):
        raise ConfigError("AWSSigV4: access_key and secret_key go together, and session_token with them")
    if sum(each is not None for each in (access, profile, credentials)) > 1:
        raise ConfigError("AWSSigV4: give access_key=, profile= or credentials=: only one of the three")
    if credentials is not None and not hasattr(credentials, "get_frozen_credentials"):
        raise ConfigError(
            f"AWSSigV4: credentials is {type(credentials).__name__}: give boto3.Session().get_credentials()"
        )
