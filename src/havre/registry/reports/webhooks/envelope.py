"""The envelope of Docker distribution's notifications, and the signature that goes with it."""

import hmac
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from havre.lib.times import rfc3339nano

MEDIA_TYPE = "application/vnd.docker.distribution.events.v1+json"
SIGNATURE_HEADER = "X-Hub-Signature-256"


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened to a ``kind`` (manifest, blob). ``action`` is push, pull, mount or delete, ``time`` nanoseconds."""

    action: str
    kind: str
    repository: str
    time: int
    digest: str = ""
    media_type: str = ""
    size: int | None = None
    tag: str = ""
    from_repository: str = ""
    actor: str = ""
    request_id: str = ""
    address: str = ""
    host: str = ""
    method: str = ""
    user_agent: str = ""
    scheme: str = "http"


def event(happening: Happening, source_address: str, instance: str) -> bytes:
    """The JSON of one event. It gets its id here, and keeps it over all attempts to deliver it."""
    what = happening
    target: dict[str, object] = {
        "mediaType": what.media_type,
        "digest": what.digest,
        "size": what.size,
        "length": what.size,
        "repository": what.repository,
        "fromRepository": what.from_repository,
        "tag": what.tag,
    }
    if what.host and what.digest:
        target["url"] = f"{what.scheme}://{what.host}/v2/{what.repository}/{what.kind}s/{what.digest}"
    request = {
        "id": what.request_id,
        "addr": what.address,
        "host": what.host,
        "method": what.method,
        "useragent": what.user_agent,
    }
    body = {
        "id": str(uuid.uuid4()),
        "timestamp": rfc3339nano(what.time),
        "action": what.action,
        "target": {key: value for key, value in target.items() if value not in ("", None)},
        "request": {key: value for key, value in request.items() if value},
        "actor": {"name": what.actor} if what.actor else {},
        "source": {"addr": source_address, "instanceID": instance},
    }
    return json.dumps(body).encode()


def envelope(events: Sequence[bytes]) -> bytes:
    """The body that carries these events."""
    return b'{"events":[' + b",".join(events) + b"]}"


def signature(secret: str, body: bytes) -> str:
    """What a receiver that knows the secret compares: HMAC-SHA256 of the body, as GitHub's webhooks carry it."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()
