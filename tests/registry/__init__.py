"""The registry through its real socket: the program itself, started on a free port."""
