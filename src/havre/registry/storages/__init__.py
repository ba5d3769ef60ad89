"""Where the bytes of blobs can lie: one module for each kind of storage."""
