"""From a question's bytes to an answer's, or to the decision that others have to be asked. No I/O."""

from __future__ import annotations

from havre.network.dns import codec
from havre.network.dns.codec import AAAA, A, Query
from havre.network.dns.views import View, rotations

# Each question of each form that is asked takes a place; beyond this somebody plays, and what is large is not kept.
_KEPT = 256
_QUESTION, _ANSWERS = 512, 2048
_ROTATIONS = 16


class Responder:
    """Answers one container. ``dotless``: names without a dot are containers' names only, as with ``ndots`` set."""

    __slots__ = ("_turn", "dotless", "view")

    def __init__(self, view: View, dotless: bool) -> None:
        self.view = view
        self.dotless = dotless
        self._turn = 0

    def respond(self, data: bytes, stream: bool) -> bytes | Query | None:
        """The response; or the query, when others have to be asked; or None: say nothing."""
        if not stream and (kept := self.view.answers.get(data[2:])) is not None:
            self._turn += 1
            return data[:2] + kept[self._turn % len(kept)]
        try:
            query = codec.parse(data)
        except codec.Malformed:
            return codec.complaint(data)
        size = codec.STREAM_SIZE if stream else query.size
        records = self.view.records(query)
        if records is not None:
            answers = [codec.answer(query, each, size) for each in list(rotations(records))[:_ROTATIONS]]
            if not stream:
                self._keep(data, answers)
            self._turn += 1
            return answers[self._turn % len(answers)]
        if self.dotless and query.kind in (A, AAAA) and "." not in query.name:
            return codec.answer(query, [], size)
        return query if self.view.forwards else codec.failure(query, codec.SERVER_FAILURE)

    def _keep(self, data: bytes, answers: list[bytes]) -> None:
        kept = self.view.answers
        if len(data) > _QUESTION or sum(map(len, answers)) > _ANSWERS:
            return
        if len(kept) >= _KEPT:
            kept.clear()
        kept[data[2:]] = tuple(answer[2:] for answer in answers)
