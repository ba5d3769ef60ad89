"""Images from Dockerfiles: read (``dockerfile/``), planned as a graph, solved step by step, and kept in a cache."""
