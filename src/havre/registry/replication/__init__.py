"""Replication: what is pushed here is pushed on to other registries, sooner or later, whatever happens meanwhile."""
