"""Build arguments: what ``ARG`` declares, ``--build-arg`` gives, and every build knows by itself.

An argument counts from its ARG on, in its stage and the stages on that; before the first FROM, only in FROMs and as
the default of an ARG of the same name without one.
"""

from collections.abc import Mapping, Sequence

from havre.dockerfile.expansion import Scope, expanded
from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.instructions import Arg
from havre.image.manifest import Platform

# They reach every RUN without an ARG and are no part of an image, for they tell of the host it was built on.
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
PREDEFINED = frozenset([*_PROXIES, *(name.upper() for name in _PROXIES)])
# What the builder itself is told by arguments.
_OPTIONS = ("BUILDKIT_SYNTAX", "BUILDKIT_DOCKERFILE_CHECK", "SOURCE_DATE_EPOCH")


class Arguments:
    """The arguments of one build."""

    def __init__(self, given: Mapping[str, str], target: Platform, host: Platform, stage: str, escape: str) -> None:
        """``given`` is what ``--build-arg`` says, ``stage`` the name of the target's stage."""
        self._given = given
        self._escape = escape
        self._known = {
            **_of_platform("TARGET", target),
            **_of_platform("BUILD", host),
            "TARGETSTAGE": stage or "default",
        }
        self._global: dict[str, str] = dict(self._known)
        self._consumed: set[str] = set()

    def declare_globally(self, declarations: Sequence[Arg]) -> Scope:
        """Read the ARGs before the first FROM; the answer is what FROMs see."""
        for arg in declarations:
            read = _expanded(arg, Scope(self._global, self._escape))
            for name, default in read.pairs:
                value = self._value(name, default, self._known)
                if value is not None:
                    self._global[name] = value
        return Scope(self._global, self._escape)

    def declare(self, arg: Arg, variables: Mapping[str, str], into: dict[str, str]) -> Arg:
        """Read an ARG of a stage in which ``variables`` count; its values go ``into`` those of the stage."""
        read = _expanded(arg, Scope(variables, self._escape))
        for name, default in read.pairs:
            value = self._value(name, default, self._global)
            if value is not None:
                into[name] = value
        return read

    def _value(self, name: str, default: str | None, outer: Mapping[str, str]) -> str | None:
        if name in self._given:
            self._consumed.add(name)
            return self._given[name]
        return outer.get(name) if default is None else default

    @property
    def known(self) -> Mapping[str, str]:
        """What every build knows by itself."""
        return self._known

    @property
    def proxies(self) -> dict[str, str]:
        """What every RUN sees without asking."""
        return {name: value for name, value in self._given.items() if name in PREDEFINED}

    @property
    def unused(self) -> list[str]:
        """The arguments that were given and that nothing has asked for."""
        return sorted(
            name
            for name in self._given
            if name not in self._consumed and name not in PREDEFINED and name not in _OPTIONS
        )


def _of_platform(prefix: str, platform: Platform) -> dict[str, str]:
    return {
        f"{prefix}PLATFORM": str(platform),
        f"{prefix}OS": platform.os,
        f"{prefix}ARCH": platform.architecture,
        f"{prefix}VARIANT": platform.variant,
    }


def _expanded(arg: Arg, scope: Scope) -> Arg:
    try:
        read = expanded(arg, scope)
    except DockerfileError as error:
        raise error.at(arg.line.first, arg.line.last) from None
    assert isinstance(read, Arg)
    return read
