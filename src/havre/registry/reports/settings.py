"""What the operator says about reports."""

from dataclasses import dataclass

from havre.errors import InvalidParameter
from havre.registry.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """Sizes are in bytes."""

    audit_log: str = setting("", "write a line of JSON for each request; - for standard output", "FILE")
    audit_size: int = setting(100_000_000, "begin a new audit log above so many bytes", "BYTES")
    audit_keep: int = setting(5, "full audit logs that are kept beside it", "COUNT")
    metrics_open: bool = setting(False, "let everybody read /metrics, not only who may administer")

    def check(self) -> None:
        """InvalidParameter for what makes no sense."""
        if self.audit_size < 1 or self.audit_keep < 0:
            raise InvalidParameter("audit-size is a number of bytes, audit-keep one of files")
        usual = ReportSettings()
        if not self.audit_log and (self.audit_size, self.audit_keep) != (usual.audit_size, usual.audit_keep):
            raise InvalidParameter("audit-size and audit-keep are for audit-log")
