"""From a Dockerfile to a graph of what is to be done: pure, without I/O.

First ``stages`` says which stages a build needs and which images, contexts and named contexts those stand on. When they
are known, ``planning`` turns the instructions into vertices (``vertices``), and the solver runs those.
"""
