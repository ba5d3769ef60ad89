"""BuildKit's own protocol on havre's solver: what ``docker buildx`` and ``docker build`` speak.

A client opens two connections. On one (``POST /grpc``) it calls the daemon: ``control`` and ``bridge`` answer. On the
other (``POST /session``) the daemon calls the client: ``session`` asks for files, secrets, keys and credentials.
"""
