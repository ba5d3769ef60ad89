"""The words of ``--security-opt``."""

from havre.errors import InvalidParameter, Unsupported


def parse(option: str) -> tuple[str, str]:
    """``name=value`` (or the old ``name:value``) of ``--security-opt``."""
    if option in ("no-new-privileges", "no-new-privileges=true", "no-new-privileges:true"):
        return "no-new-privileges", "true"
    if option in ("no-new-privileges=false", "no-new-privileges:false"):
        return "no-new-privileges", "false"
    separator = "=" if "=" in option else ":"
    key, found, value = option.partition(separator)
    if not found:
        raise InvalidParameter(f'invalid --security-opt 2: "{option}"')
    if key == "seccomp":
        return key, value
    if key in ("apparmor", "label", "writable-cgroups"):
        raise Unsupported(f"havre does not implement --security-opt {key} yet")
    raise InvalidParameter(f'invalid --security-opt 2: "{option}"')
