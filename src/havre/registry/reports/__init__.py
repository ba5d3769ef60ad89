"""What is told of what happens: the audit log, metrics, health, and webhooks."""
