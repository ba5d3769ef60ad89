"""havre: a container engine in Python that speaks the Docker Engine's language."""

__version__ = "0.1.0"
