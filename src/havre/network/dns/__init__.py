"""Names of containers, answered at 127.0.0.11 inside those that are on a network of the user's.

``service`` is the daemon's half: it implements ``network.names``, opens a container's sockets (``sockets``) and tells
the resolver who is where (``tables``), which it finds or starts (``process``).

The resolver is one process for all containers, which outlives the daemon: ``main`` (its loop), ``control`` (what the
daemon says), ``server`` (one container's sockets), ``views`` (the rules of names), ``forward`` (names no container
has), ``codec`` (messages as bytes). These import little: their memory is there as long as containers are.
"""
