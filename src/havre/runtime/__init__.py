"""What turns a prepared root file system into a process: the OCI configuration, the runtimes, conmon."""
