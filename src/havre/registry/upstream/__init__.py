"""Pull-through: what is not here is fetched from another registry, once for all who ask, and kept for a while."""
