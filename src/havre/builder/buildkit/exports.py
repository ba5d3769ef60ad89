"""Results go where the client wants them: into the image store, to a registry, or back to the client."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from havre.builder.build import Solved
from havre.builder.buildkit import statuses
from havre.builder.buildkit.builds import Build
from havre.builder.buildkit.filesending import send_tree
from havre.builder.buildkit.messages.control import Exporter
from havre.builder.buildkit.messages.session import Bytes
from havre.builder.buildkit.rpc import Stream
from havre.builder.buildkit.session import Session
from havre.builder.buildkit.status import Step
from havre.builder.buildkit.statuses import RpcError
from havre.errors import InvalidParameter, Unsupported
from havre.image import config as configs
from havre.image.blobs import BlobStore
from havre.image.records import Image, Record
from havre.image.remote.push import Pusher
from havre.image.save import Saver, Selection
from havre.kernel import treetar
from havre.lib import references
from havre.lib.references import Reference
from havre.lib.relay import Outflow

_TRUE = ("1", "true", "t", "True", "TRUE", "T")
_PIECE = 256 << 10
_SEND = "/moby.filesync.v1.FileSend/DiffCopy"
_FALSE = ("", "0", "false", "f", "False", "FALSE", "F")
# What each exporter may be asked; "dest" and "context" are the client's own.
_KNOWN = {
    "image": frozenset(("name", "push", "unpack", "store", "oci-mediatypes", "dest", "context")),
    "tar": frozenset(("dest",)),
    "archive": frozenset(("name", "dest", "tar", "oci-mediatypes", "context")),
}
# An image is always kept, ready to be run, in OCI's media types; an archive is always one file.
_ALWAYS = ("unpack", "store", "oci-mediatypes", "tar")
_KINDS = {"moby": "image", "image": "image", "local": "tar", "tar": "tar", "docker": "archive", "oci": "archive"}


@dataclass(frozen=True, slots=True)
class Exports:
    """Carries out exports."""

    blobs: BlobStore
    pusher: Pusher

    async def export(self, build: Build, exporter: Exporter, number: int, solved: Solved) -> dict[str, str]:
        """Export, and return what the client is told of it. ``number`` is the exporter's place among the client's."""
        kind = _KINDS.get(exporter.type)
        if kind is None:
            raise Unsupported(f"havre does not implement the exporter {exporter.type}")
        for name, value in exporter.attributes.items():
            if name not in _KNOWN[kind] or (name in _ALWAYS and value not in _TRUE):
                raise Unsupported(f"havre does not implement the option {name}={value} of the exporter {exporter.type}")
        if build.session is None:
            raise RpcError(statuses.INVALID, "an export needs a session")
        if kind == "image":
            return await self._image(build, build.session, exporter.attributes, solved)
        if kind == "archive":
            return await self._archive(build, build.session, exporter, number, solved)
        await self._files(build, build.session, exporter.type, number, solved)
        return {}

    async def _image(
        self, build: Build, session: Session, attributes: Mapping[str, str], solved: Solved
    ) -> dict[str, str]:
        names = _names(attributes.get("name", ""))
        with build.status.step("exporting to image") as step:
            with step.part("exporting layers"):
                image = (await solved.image(names)).image
            for name in names:
                with step.part(f"naming to {name.canonical()}"):
                    pass
        told = _told(image.id, image.id, names)
        if _truth("push", attributes.get("push", "")):
            if not names:
                raise InvalidParameter("tag is needed when pushing to registry")
            for name in names:
                with build.status.step(f"pushing {name.canonical()}") as step:
                    told["containerimage.digest"] = await self._push(session, name, step)
        return told

    async def _push(self, session: Session, name: Reference, step: Step) -> str:
        """Push, and return the digest that the registry has it by."""
        auth = await session.credentials(name.domain)
        digest = ""
        with step.part("pushing layers"):
            async for message in self.pusher.push(name, auth=auth):
                aux = message.get("aux")
                if isinstance(aux, dict) and "Digest" in aux:
                    digest = str(aux["Digest"])
        return digest

    async def _archive(
        self, build: Build, session: Session, exporter: Exporter, number: int, solved: Solved
    ) -> dict[str, str]:
        """An archive as ``docker save`` makes it: an OCI layout that old readers understand, too."""
        names = _names(exporter.attributes.get("name", ""))
        data = solved.configuration()
        digest = await self.blobs.add(data)
        record = Record(layers=[layer.blob for layer in solved.tree.layers])
        image = Image(digest, configs.parse(data), record, tuple(names))
        told = _told(digest, digest, names)
        with build.status.step(f"exporting to {exporter.type} image format") as step:
            metadata = [(f"exporter-md-{key}", value) for key, value in told.items()]
            stream = await _begin(session, number, metadata)
            with step.part("sending tarball"):
                await _send(stream, Saver(self.blobs).save([Selection(image, tuple(names))]))
        return told

    async def _files(self, build: Build, session: Session, kind: str, number: int, solved: Solved) -> None:
        """The files alone: as they are, or in an archive."""
        text = "exporting to client directory" if kind == "local" else "exporting to client tarball"
        with build.status.step(text) as step:
            async with solved.builder.workspace.readable(solved.tree) as path:
                stream = await _begin(session, number, [])
                if kind == "tar":
                    with step.part("sending tarball"):
                        await _send(stream, _tar(path))
                    return
                with step.part("copying files") as part:
                    try:
                        part.tell(await send_tree(stream, path))
                    finally:
                        await stream.cancel()


async def _begin(session: Session, number: int, metadata: list[tuple[str, str]]) -> Stream:
    return await session.connection.call(_SEND, [("buildkit-attachable-exporter-id", str(number)), *metadata])


async def _send(stream: Stream, chunks: AsyncIterator[bytes]) -> None:
    try:
        async for chunk in chunks:
            for at in range(0, len(chunk), _PIECE):
                await stream.send(Bytes(chunk[at : at + _PIECE]))
        await stream.end()
        await stream.fail_if_failed()
    finally:
        await stream.cancel()


async def _tar(path: Path) -> AsyncIterator[bytes]:
    top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    ended = asyncio.Event()
    flow = Outflow(lambda write: treetar.contents(top, write), ended.set, "havre-build-tree")
    try:
        async for chunk in flow:
            yield chunk
    finally:
        await flow.aclose()
        await ended.wait()
        os.close(top)


def _told(digest: str, configuration: str, names: list[Reference]) -> dict[str, str]:
    found = {"containerimage.digest": digest, "containerimage.config.digest": configuration}
    return found | ({"image.name": ",".join(name.canonical() for name in names)} if names else {})


def _truth(name: str, text: str) -> bool:
    if text not in (*_TRUE, *_FALSE):
        raise InvalidParameter(f"non-bool value specified for {name}: {text}")
    return text in _TRUE


def _names(text: str) -> list[Reference]:
    try:
        return [references.parse(name) for name in text.split(",") if name]
    except ValueError as error:
        raise InvalidParameter(f"invalid reference format: {error}") from None
