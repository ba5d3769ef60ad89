"""The benchmarks: havre and, where it is found, dockerd, measured in one run by the same client."""
