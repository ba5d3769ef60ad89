"""The log writer: one child process of the daemon that takes what conmon wrote to where the log driver says.

conmon's file is the write-ahead log: it is written whether a daemon is there or not, and nothing is taken off it before
it is where it belongs. ``main`` is the loop, ``source`` reads conmon's files from a position kept on disk
(``position``), ``lines`` puts pieces of lines together again, ``jsonfile`` and ``remote`` (``syslog``, ``journald``)
take them on, ``rotation`` keeps the files small. The daemon's half is ``havre.logs.writing``.

Only the standard library and ``kernel.watches`` are imported here: the process is small, and starts in a blink.
"""
