"""The REST door: Docker's Engine API over HTTP. Handlers decode, make one call to the engine, and encode.

``app.Door`` is the server that ``daemon.serve`` listens with; ``routes`` is the table of all endpoints;
``connection`` and ``hijack`` turn HTTP into the raw streams of attach and exec; ``compat``
holds what old clients need.
"""
