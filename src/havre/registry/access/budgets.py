"""The rate limits of requests: all of them, and pulls of images, for each identity or, without one, each address."""

import math
from collections.abc import Mapping

from havre.registry.access.limits import RateLimit, Verdict
from havre.registry.access.peers import budget_key
from havre.registry.call import Call
from havre.registry.errors import TooManyRequests
from havre.registry.identity import Identity


class Budgets:
    """Either limit may be None."""

    def __init__(self, requests: RateLimit | None, pulls: RateLimit | None) -> None:
        self._requests = requests
        self._pulls = pulls

    def spend(self, call: Call, identity: Identity, address: str) -> Mapping[str, str]:
        """Count the request; the headers its answer is to have. TooManyRequests when there is nothing left."""
        key = budget_key(address) if identity.is_anonymous else str(identity)
        verdict = self._requests.take(key) if self._requests is not None else None
        # As Docker Hub counts: a GET of a manifest is a pull, a HEAD is not.
        if self._pulls is not None and (verdict is None or verdict.allowed) and _is_pull(call):
            verdict = self._pulls.take(key)
        if verdict is None:
            return {}
        headers = _headers(verdict, "address" if identity.is_anonymous else identity.kind)
        if not verdict.allowed:
            error = TooManyRequests(
                f"you have reached the rate limit of {verdict.rate.count} in {verdict.rate.window} seconds",
                math.ceil(verdict.retry_after),
            )
            error.headers.update(headers)
            raise error
        return headers


def _is_pull(call: Call) -> bool:
    return call.action == "pull" and call.method == "GET" and call.request.path.endswith(f"/manifests/{call.reference}")


def _headers(verdict: Verdict, source: str) -> dict[str, str]:
    window = f";w={verdict.rate.window}"
    return {
        "RateLimit-Limit": f"{verdict.rate.count}{window}",
        "RateLimit-Remaining": f"{verdict.remaining}{window}",
        "Docker-RateLimit-Source": source,
    }
