"""Where the bucket is, as the section ``s3`` of the configuration says. Read without the library."""

import msgspec


class S3Settings(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """``endpoint`` is a URL ("" for Amazon's own); without keys those of the environment or the machine are used.

    ``redirect`` sends clients to the store for blobs, with an address that is good for ``expires`` seconds.
    """

    bucket: str
    endpoint: str = ""
    region: str = "us-east-1"
    prefix: str = ""
    access_key: str = ""
    secret_key: str = ""
    ca: str = ""
    redirect: bool = False
    expires: int = 1200

    def __post_init__(self) -> None:
        if not self.bucket:
            raise ValueError("bucket is empty")
        if self.prefix and not self.prefix.endswith("/"):
            raise ValueError("prefix must end with a slash")
        if bool(self.access_key) != bool(self.secret_key):
            raise ValueError("access-key and secret-key are needed together")
