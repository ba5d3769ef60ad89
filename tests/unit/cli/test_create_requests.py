"""What ``create`` asks the daemon for beyond what the golden files hold (``test_as_docker``)."""

from pathlib import Path
from typing import Any

import pytest

from havre.cli import createbody, runflags
from havre.cli.context import Context
from havre.cli.creation import refuse_foreign, request_body
from havre.cli.errors import CommandError
from havre.cli.main import global_parser
from havre.cli.parser import HelpWanted, Parser


def asked(argv: list[str], environ: dict[str, str]) -> dict[str, Any] | str:
    """The body, or the text of the refusal."""
    parser = Parser()
    runflags.declare(parser)
    try:
        ctx = Context(global_parser().parse([]), "create", environ=environ)
        args = parser.parse(argv)
        body = request_body(args, ctx)
    except ValueError as error:
        return str(error)
    except CommandError as error:
        return error.message
    return body


def body(*argv: str, environ: dict[str, str] | None = None, proxies: dict[str, str] | None = None) -> dict[str, Any]:
    parser = Parser()
    runflags.declare(parser)
    return createbody.build(parser.parse(list(argv)), environ or {}, proxies)


def test_proxies_of_the_configuration_unless_given() -> None:
    proxies = {"httpProxy": "http://p", "noProxy": "local", "other": "x"}
    env = body("-e", "HTTP_PROXY=mine", "-e", "A", "b", proxies=proxies)["Env"]
    assert sorted(env) == ["A", "HTTP_PROXY=mine", "NO_PROXY=local", "http_proxy=http://p", "no_proxy=local"]


def test_windows_options_are_refused_here() -> None:
    parser = Parser()
    runflags.declare(parser)
    with pytest.raises(CommandError, match='"--cpu-count" is only supported on a havre daemon running on windows'):
        refuse_foreign(parser.parse(["--cpu-count", "2", "b"]))


def test_a_seccomp_profile_travels_by_value(tmp_path: Path) -> None:
    profile = tmp_path / "p.json"
    profile.write_text('{ "a" : [ 1 ] }')
    assert body("--security-opt", f"seccomp={profile}", "b")["HostConfig"]["SecurityOpt"] == ['seccomp={"a":[1]}']
    profile.write_text("no json")
    with pytest.raises(ValueError, match="compacting json for seccomp profile"):
        body("--security-opt", f"seccomp={profile}", "b")


def test_paths_unconfined_are_sent_as_empty_lists() -> None:
    host = body("--security-opt", "systempaths=unconfined", "b")["HostConfig"]
    assert (host["MaskedPaths"], host["ReadonlyPaths"], "SecurityOpt" in host) == ([], [], False)


def test_content_trust_is_refused() -> None:
    found = asked(["--disable-content-trust=false", "b"], {})
    assert isinstance(found, str)
    assert "--disable-content-trust" in found
    assert "not supported" in found


def test_content_trust_by_environment_is_refused() -> None:
    found = asked(["b"], {"DOCKER_CONTENT_TRUST": "1"})
    assert isinstance(found, str)
    assert "DOCKER_CONTENT_TRUST" in found


def test_h_is_the_host_name_and_help_is_help() -> None:
    assert body("-h", "name", "b")["Hostname"] == "name"
    with pytest.raises(HelpWanted):
        body("--help")
