"""What an image is: references, digests, manifests, configurations; blobs, layers, snapshots; archives; pulling."""
