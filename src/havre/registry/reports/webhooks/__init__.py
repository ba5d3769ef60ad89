"""Webhooks: what happened, told to other programs in Docker distribution's notification format."""
