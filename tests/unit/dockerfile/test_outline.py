"""What can be asked of a Dockerfile without building it."""

from havre.dockerfile.outline import Argument, Outline, Target, Wish, outline, targets
from havre.dockerfile.reading import dockerfile

TEXT = b"""# BASE what all stands on
ARG BASE=busybox
# build makes the program
FROM --platform=$BUILDPLATFORM $BASE AS build
# MODE fast or small
ARG MODE
RUN --mount=type=secret,id=key,required --mount=type=cache,target=/c --mount=type=ssh make

FROM scratch
ARG BASE
COPY --from=build /p /
"""


def test_targets() -> None:
    assert targets(dockerfile(TEXT)) == [
        Target("build", "$BASE", "$BUILDPLATFORM", "makes the program", False),
        Target("", "scratch", "", "", True),
    ]


def test_outline() -> None:
    assert outline(dockerfile(TEXT), [0, 1], {"MODE": "small"}) == Outline(
        "",
        "",
        (Argument("BASE", "busybox", "what all stands on"), Argument("MODE", "small", "fast or small")),
        (Wish("key", True),),
        (Wish("default", False),),
        (Wish("/c", False),),
    )
    assert outline(dockerfile(TEXT), [0], {}).arguments[1] == Argument("MODE", None, "fast or small")
