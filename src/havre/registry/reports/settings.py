"""What the operator says about reports."""

from dataclasses import dataclass

from havre.registry.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """Sizes are in bytes."""

    audit_log: str = setting("", "write a line of JSON for each request; - for standard output", "FILE")
    audit_size: int = setting(100_000_000, "begin a new audit log above so many bytes", "BYTES")
    audit_keep: int = setting(5, "full audit logs that are kept beside it", "COUNT")
    metrics_open: bool = setting(False, "let everybody read /metrics, not only who may administer")
