"""Images from Dockerfiles: planned as a graph (``plan/``), solved step by step, and kept in a cache.

The language itself is read in ``havre.dockerfile``. The doors come in at ``build``.
"""
