"""The process ``havred``: its configuration, its sockets, its start and end. ``assemble`` builds everything else."""
