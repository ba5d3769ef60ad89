"""Who is asking."""

from dataclasses import dataclass

ANONYMOUS_KIND, USER, ROBOT, CERTIFICATE = "anonymous", "user", "robot", "certificate"


@dataclass(frozen=True, slots=True)
class Identity:
    """``kind`` is one of the four above; ``name`` is empty for the anonymous."""

    kind: str = ANONYMOUS_KIND
    name: str = ""

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody has said who is asking."""
        return self.kind == ANONYMOUS_KIND

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind


ANONYMOUS = Identity()
