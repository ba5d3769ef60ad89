"""How a build fails: with a step, and the place in the Dockerfile that it came from."""

from havre.builder.plan.vertices import Vertex
from havre.errors import HavreError


class StepFailed(HavreError):
    """A step could not be carried out. ``code`` is its command's exit code, 0 for another reason."""

    def __init__(self, vertex: Vertex, reason: str, code: int = 0) -> None:
        super().__init__(reason)
        self.vertex = vertex
        self.code = code
