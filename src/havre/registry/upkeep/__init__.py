"""What keeps a registry in its bounds: garbage collection, retention, quotas, and the leases that pushes live by."""
