"""The way of an image: pushed, asked for, pulled."""

from tests.registry.server import Client, sha256


def test_an_image_comes_back_as_it_was_pushed(client: Client) -> None:
    digest = client.push_image("way/image", "v1", b"one layer", b"another")
    for reference in ("v1", digest):
        answer = client.ask("GET", f"/v2/way/image/manifests/{reference}")
        assert (answer.status, sha256(answer.body)) == (200, digest)
        for layer in answer.json["layers"]:
            blob = client.ask("GET", f"/v2/way/image/blobs/{layer['digest']}")
            assert (blob.status, sha256(blob.body)) == (200, layer["digest"])
