"""What the tests of a registry's upkeep share: configurations, the command ``gc``, what is there and is whole."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.registry.server import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Answer, Client, Server, sha256

PROGRAM = [sys.executable, "-c", "import sys; from havre.registry.main import main; sys.exit(main())"]


def configured(directory: Path, **sections: Any) -> Server:
    """A registry on ``directory/root`` with these sections in its configuration."""
    file = directory / "registry.json"
    file.write_text(json.dumps(sections))
    return Server(directory / "root", "--config", str(file))


def gc(server: Server, *arguments: str) -> dict[str, Any]:
    """Run ``havre-registry gc`` on the server's root: its report."""
    command = [*PROGRAM, "gc", "--root", str(server.root), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def contents(server: Server) -> set[str]:
    """The digests of all content on disk."""
    return {f"sha256:{path.name}" for path in (server.root / "blobs" / "sha256").iterdir()}


def push_as_docker_does(client: Client, repository: str, tag: str, layers: list[bytes]) -> Answer:
    """Push an image, leaving out the blobs that the registry says it has."""
    described = []
    for layer in [json.dumps({"of": os.urandom(4).hex()}).encode(), *layers]:
        if client.ask("HEAD", f"/v2/{repository}/blobs/{sha256(layer)}").status != 200:
            client.push_blob(repository, layer)
        described.append({"digest": sha256(layer), "size": len(layer)})
    return client.push_manifest(
        repository,
        tag,
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, **described[0]},
            "layers": [{"mediaType": OCI_LAYER, **layer} for layer in described[1:]],
        },
    )


def damage(client: Client, repository: str, reference: str) -> list[str]:
    """What is wrong with an image: nothing, if it can be pulled whole."""
    answer = client.ask("GET", f"/v2/{repository}/manifests/{reference}")
    if answer.status != 200:
        return [f"{repository}:{reference}: {answer}"]
    found = []
    for part in [answer.json["config"], *answer.json["layers"]]:
        blob = client.ask("GET", f"/v2/{repository}/blobs/{part['digest']}")
        if blob.status != 200 or sha256(blob.body) != part["digest"]:
            found.append(f"{repository}:{reference}: {part['digest']}: {blob.status}")
    return found
