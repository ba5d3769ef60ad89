"""The distribution protocol, as far as ``havre manifest`` needs it: small documents, read and written by the client
itself. Images travel by the daemon.
"""

from __future__ import annotations

from havre.client.jsontext import loads
from havre.client.registryhttp import Answer, Unreachable, ask
from havre.errors import NotFound, SystemFault
from havre.lib.challenges import Challenge, basic, parse_challenges, token_question

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST_MANIFEST = 4 << 20
LARGEST_CONFIG = 8 << 20
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
_ACCEPT = {"Accept": ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST))}
_HUB = "registry-1.docker.io"
_PLAIN = {401: "unauthorized: authentication required", 429: "toomanyrequests: too many requests"}


class Refused(SystemFault):
    """The registry answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Registry:
    """The registry called ``domain`` ("docker.io", "localhost:5000"), with credentials as ``client.auth`` finds them.

    ``insecure`` lets it do without valid TLS, or without any.
    """

    def __init__(self, domain: str, credentials: dict[str, str], insecure: bool = False) -> None:
        host = _HUB if domain == "docker.io" else domain
        self._bases = [f"https://{host}", *([f"http://{host}"] if insecure else [])]
        self._verify = not insecure
        self._credentials = credentials
        self._base = ""
        self._challenges: tuple[Challenge, ...] = ()
        self._authorizations: dict[str, str] = {}

    def manifest(self, path: str, tag_or_digest: str) -> tuple[bytes, str]:
        """A manifest or index, byte for byte, with its media type. Raises NotFound."""
        answer = self._call("GET", f"{path}/manifests/{tag_or_digest}", _pull(path), LARGEST_MANIFEST, _ACCEPT)
        _check(answer.body, tag_or_digest if ":" in tag_or_digest else answer.header("Docker-Content-Digest"))
        return answer.body, answer.header("Content-Type").partition(";")[0].strip()

    def blob(self, path: str, digest: str) -> bytes:
        """A small blob, verified. Raises NotFound."""
        answer = self._call("GET", f"{path}/blobs/{digest}", _pull(path), LARGEST_CONFIG)
        _check(answer.body, digest)
        return answer.body

    def put_manifest(self, path: str, tag_or_digest: str, media_type: str, body: bytes) -> str:
        """Store a manifest → its digest."""
        kind = {"Content-Type": media_type}
        answer = self._call("PUT", f"{path}/manifests/{tag_or_digest}", _push(path), LARGEST_MANIFEST, kind, body)
        return answer.header("Docker-Content-Digest") or digest_of(body)

    def mount(self, path: str, digest: str, source: str) -> bool:
        """Let ``path`` have a blob of the repository ``source`` as well; False where the registry does not."""
        query = f"mount={digest}&from={source}"
        scope = f"{_push(path)} {_pull(source)}"
        answer = self._call("POST", f"{path}/blobs/uploads/?{query}", scope, LARGEST_MANIFEST)
        return answer.status == 201

    def _call(
        self,
        method: str,
        rest: str,
        scope: str,
        limit: int,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        base = self._base or self._reach()
        url = f"{base}/v2/{rest}"
        for last in (False, True):
            authorization = self._authorizations.get(scope) or self._authorize(scope)
            sent = {**(headers or {}), **({"Authorization": authorization} if authorization else {})}
            answer = ask(method, url, self._verify, limit, sent, body)
            if answer.status != 401 or last:
                break
            # A token of ours may have come to its end, or this path wants what others did not.
            self._challenges = parse_challenges(answer.headers.get_all("WWW-Authenticate", []))
            self._authorizations.pop(scope, None)
        if answer.status >= 400:
            raise _refusal(answer)
        return answer

    def _reach(self) -> str:
        """The base address that answers, and how it wants its clients to authenticate."""
        for base in self._bases:
            try:
                answer = ask("GET", f"{base}/v2/", self._verify, LARGEST_MANIFEST)
            except Unreachable as error:
                # Of TLS and plain HTTP the last failure is the one that tells.
                failure = error
                continue
            self._base = base
            self._challenges = parse_challenges(answer.headers.get_all("WWW-Authenticate", []))
            return base
        raise Unreachable(f"failed to configure transport: error pinging v2 registry: {failure}")

    def _authorize(self, scope: str) -> str:
        """The header's value for ``scope`` (several are apart by spaces); "" for nobody."""
        found = ""
        for challenge in self._challenges:
            if challenge.scheme == "bearer":
                found = f"Bearer {self._token(challenge, scope)}"
                break
            if challenge.scheme == "basic":
                found = self._basic()
        self._authorizations[scope] = found
        return found

    def _basic(self) -> str:
        return basic(self._credentials.get("username", ""), self._credentials.get("password", ""))

    def _token(self, challenge: Challenge, scope: str) -> str:
        from urllib.parse import urlencode, urlsplit

        if given := self._credentials.get("registrytoken"):
            return given
        realm = challenge.parameters.get("realm", "")
        if urlsplit(realm).scheme != "https" and self._verify and self._credentials:
            raise SystemFault(f"{self._base} wants the credentials sent to {realm[:200]} without TLS: refused")
        authorization = self._basic()
        user = self._credentials["username"] if authorization else ""
        url, fields = token_question(challenge, scope, user, self._credentials.get("identitytoken", ""))
        if fields is None:
            headers = {"Authorization": authorization} if authorization else {}
            answer = ask("GET", url, self._verify, LARGEST_MANIFEST, headers)
        else:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = ask("POST", url, self._verify, LARGEST_MANIFEST, headers, urlencode(fields).encode())
        if answer.status != 200:
            raise _refusal(answer)
        document = _document(answer.body)
        token = document.get("access_token") or document.get("token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise SystemFault("authorization server did not include a token in the response")
        return token


def digest_of(data: bytes) -> str:
    """``sha256:<hex>``."""
    from hashlib import sha256

    return f"sha256:{sha256(data).hexdigest()}"


def _check(data: bytes, digest: str) -> None:
    from hashlib import new

    algorithm, colon, value = digest.partition(":")
    if colon and (algorithm not in ("sha256", "sha384", "sha512") or new(algorithm, data).hexdigest() != value):
        raise SystemFault(f"manifest verification failed for digest {digest}")


def _pull(path: str) -> str:
    return f"repository:{path}:pull"


def _push(path: str) -> str:
    return f"repository:{path}:pull,push"


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _refusal(answer: Answer) -> SystemFault | NotFound:
    document = _document(answer.body)
    errors = document.get("errors")
    words = [
        f"{str(error.get('code', 'UNKNOWN')).lower().replace('_', ' ')}: {error.get('message') or ''}"
        for error in (errors if isinstance(errors, list) else [])
        if isinstance(error, dict)
    ]
    text = "\n".join(words) or document.get("details")
    if not text:
        text = _PLAIN.get(answer.status, f"received unexpected HTTP status: {answer.status}")
    if answer.status == 404:
        return NotFound(str(text))
    return Refused(answer.status, str(text))
