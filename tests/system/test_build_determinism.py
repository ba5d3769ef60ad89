"""The same inputs give the same image on two daemons, whatever the times of files, with SOURCE_DATE_EPOCH."""

import io
import json
import tarfile

from tests.system.harness import Havred

DOCKERFILE = """FROM busybox
ARG WHO=me
WORKDIR /made/here
COPY a sub/ /copied/
COPY --chown=7:8 --chmod=640 a /owned
ADD packed.tar /unpacked/
ENV WHO=$WHO
CMD ["true"]
"""


def context(time: int) -> bytes:
    """A context whose files are of ``time``."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in (("a", b"a"), ("sub/b", b"b"), ("Dockerfile", DOCKERFILE.encode())):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(data), time
            archive.addfile(entry, io.BytesIO(data))
        inner = io.BytesIO()
        with tarfile.open(fileobj=inner, mode="w") as nested:
            nested.addfile(tarfile.TarInfo("empty"))
        entry = tarfile.TarInfo("packed.tar")
        entry.size, entry.mtime = len(inner.getvalue()), time
        archive.addfile(entry, io.BytesIO(inner.getvalue()))
    return packed.getvalue()


def built(havred: Havred, time: int, **arguments: str) -> str:
    answer = havred.api("POST", "/build", context(time), nocache="1", buildargs=json.dumps(arguments))
    messages = [json.loads(line) for line in answer.body.splitlines()]
    ids = [str(one["aux"]["ID"]) for one in messages if "ID" in one.get("aux", {})]
    assert len(ids) == 1, messages
    return ids[0]


def test_two_daemons_make_the_same_image(havred: Havred, fresh_havred: Havred) -> None:
    assert built(havred, 1_600_000_000) == built(fresh_havred, 1_600_000_000)
    epoch = "1700000000"
    one = built(havred, 1_800_000_000, SOURCE_DATE_EPOCH=epoch)
    assert one == built(fresh_havred, 1_900_000_000, SOURCE_DATE_EPOCH=epoch)
    created = havred.api("GET", f"/images/{one}/json").json()["Created"]
    assert created == "2023-11-14T22:13:20Z"
    assert built(havred, 1_800_000_000, SOURCE_DATE_EPOCH=epoch, WHO="you") != one
