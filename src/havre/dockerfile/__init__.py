"""The Dockerfile language, without I/O: text becomes lines (``lines``), lines instructions, and those stages.

The plan of a build comes in here, and whoever wants to know what a Dockerfile says.
"""
