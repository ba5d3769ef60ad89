"""Results go where the client wants them: into the image store, to a registry, or back to the client."""

from collections.abc import Mapping
from dataclasses import dataclass

from havre.builder.build import Solved
from havre.builder.buildkit.builds import Build
from havre.builder.buildkit.messages.control import Exporter
from havre.errors import InvalidParameter, Unsupported
from havre.lib import references
from havre.lib.references import Reference

_TRUE = ("1", "true", "t", "True", "TRUE", "T")


@dataclass(frozen=True, slots=True)
class Exports:
    """Carries out exports."""

    async def export(self, build: Build, exporter: Exporter, number: int, solved: Solved) -> dict[str, str]:
        """Export, and return what the client is told of it. ``number`` is the exporter's place among the client's."""
        if exporter.type in ("moby", "image"):
            return await self._image(build, exporter.attributes, solved)
        raise Unsupported(f"havre does not implement the exporter {exporter.type}")

    async def _image(self, build: Build, attributes: Mapping[str, str], solved: Solved) -> dict[str, str]:
        names = _names(attributes.get("name", ""))
        if attributes.get("push", "") in _TRUE:
            raise Unsupported("havre does not implement push of a build's result")
        with build.status.step("exporting to image") as step:
            with step.part("exporting layers"):
                image = (await solved.image(names)).image
            for name in names:
                with step.part(f"naming to {name.canonical()}"):
                    pass
        told = {"containerimage.digest": image.id, "containerimage.config.digest": image.id}
        return told | ({"image.name": ",".join(name.canonical() for name in names)} if names else {})


def _names(text: str) -> list[Reference]:
    try:
        return [references.parse(name) for name in text.split(",") if name]
    except ValueError as error:
        raise InvalidParameter(f"invalid reference format: {error}") from None
