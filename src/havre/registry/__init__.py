"""The registry: OCI's distribution protocol on blobs and manifests of its own, the program ``havre-registry``."""
