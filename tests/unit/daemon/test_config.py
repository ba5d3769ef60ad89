"""Flags and daemon.json: dockerd's names, kinds and rules."""

import json
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import pytest

from havre.daemon import addresspools, networkopts
from havre.daemon import config as configuration
from havre.daemon import flags as command_line
from havre.daemon.config import Config
from havre.daemon.options import OPTIONS
from havre.errors import InvalidParameter
from havre.network.ipam import BasePool


def load(tmp_path: Path, *words: str, stored: Any = None) -> Config:
    """The configuration of a command line and a daemon.json with ``stored``."""
    path = tmp_path / "daemon.json"
    if stored is not None:
        path.write_text(stored if isinstance(stored, str) else json.dumps(stored))
        words = ("--config-file", str(path), *words)
    return configuration.load(command_line.parse(words))


@pytest.fixture(autouse=True)
def no_file_of_the_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(configuration, "DEFAULT_FILE", tmp_path / "nothing.json")


def test_defaults(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert config == Config()
    assert config.addresses == ("unix:///run/havre/havre.sock",)
    assert config.pid_path == Path("/run/havre/havre.pid")
    assert config.level == "info"


def test_address_pools(tmp_path: Path) -> None:
    stored = {"default-address-pools": [{"base": "10.10.0.0/16", "size": 24}, {"base": "fd00::/48", "size": 64}]}
    config = load(tmp_path, stored=stored)
    assert config.default_address_pools == ("base=10.10.0.0/16,size=24", "base=fd00::/48,size=64")
    assert addresspools.parse(config.default_address_pools) == (
        BasePool(IPv4Network("10.10.0.0/16"), 24),
        BasePool(IPv6Network("fd00::/48"), 64),
    )
    assert load(tmp_path, "--default-address-pool", "base=10.0.0.0/8,size=26").default_address_pools


@pytest.mark.parametrize(
    "pool", ["10.0.0.0/8", "base=10.0.0.0/8", "base=x,size=3", "base=10.0.0.0/16,size=8", "base=10.0.0.0/16,size=31"]
)
def test_address_pools_that_are_none(tmp_path: Path, pool: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid default address pool"):
        load(tmp_path, "--default-address-pool", pool)


def test_options_of_networks(tmp_path: Path) -> None:
    config = load(tmp_path, stored={"default-network-opts": {"bridge": {"a": "b=c", "d": ""}, "macvlan": {"e": "f"}}})
    assert networkopts.parse(config.default_network_opts) == {"bridge": {"a": "b=c", "d": ""}, "macvlan": {"e": "f"}}
    assert load(tmp_path, "--default-network-opt", "bridge=a=b").default_network_opts == ("bridge=a=b",)
    with pytest.raises(InvalidParameter, match="driver=key=value is wanted"):
        load(tmp_path, "--default-network-opt", "bridge=a")
    for wrong in ([], {"bridge": "a"}, {"bridge": {"a": 1}}):
        with pytest.raises(InvalidParameter, match="default-network-opts must be"):
            load(tmp_path, stored={"default-network-opts": wrong})


def test_the_firewall(tmp_path: Path) -> None:
    assert load(tmp_path, stored={"firewall": "honest"}).firewall == "honest"
    with pytest.raises(InvalidParameter, match='invalid firewall: "ufw", use one of docker, honest'):
        load(tmp_path, "--firewall", "ufw")


def test_the_socket_and_the_pid_follow_the_exec_root(tmp_path: Path) -> None:
    config = load(tmp_path, "--exec-root", "/run/other")
    assert config.addresses == ("unix:///run/other/havre.sock",)
    assert config.pid_path == Path("/run/other/havre.pid")


def test_every_flag(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        *("-H", "unix:///a", "--host", "tcp://127.0.0.1:1"),
        *("--data-root", "/d", "--exec-root=/e", "-p", "/p", "-l", "warn", "-D", "-G", "staff"),
        *(
            "--label",
            "a=b",
            "--label",
            "c=d",
            "-b",
            "br9",
            "--bip",
            "10.9.0.1/24",
            "--mtu",
            "1400",
            "--ip",
            "127.0.0.1",
        ),
        *("--iptables=false", "--dns", "1.1.1.1", "--dns-opt", "ndots:1", "--dns-search", "example.org"),
        *("--insecure-registry", "r:5000", "--registry-mirror", "https://m"),
        *("--add-runtime", "fast=/usr/bin/fast", "--default-runtime", "fast"),
        *("--log-driver", "none", "--log-opt", "max-size=1m", "-s", "overlay2", "--shutdown-timeout", "3"),
        *("--live-restore=false", "--tlsverify", "--tlscacert", "/ca", "--tlscert", "/cert", "--tlskey", "/key"),
    )
    assert config == Config(
        hosts=("unix:///a", "tcp://127.0.0.1:1"),
        data_root=Path("/d"),
        exec_root=Path("/e"),
        pidfile=Path("/p"),
        log_level="warn",
        debug=True,
        group="staff",
        labels=("a=b", "c=d"),
        bridge="br9",
        bip="10.9.0.1/24",
        mtu=1400,
        ip="127.0.0.1",
        iptables=False,
        dns=("1.1.1.1",),
        dns_opts=("ndots:1",),
        dns_search=("example.org",),
        insecure_registries=("r:5000",),
        registry_mirrors=("https://m",),
        runtimes={"fast": "/usr/bin/fast"},
        default_runtime="fast",
        log_driver="none",
        log_opts={"max-size": "1m"},
        shutdown_timeout=3,
        live_restore=False,
        tlsverify=True,
        tlscacert="/ca",
        tlscert="/cert",
        tlskey="/key",
    )
    assert config.level == "debug"


def test_every_key(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        stored={
            "hosts": ["unix:///a"],
            "data-root": "/d",
            "labels": ["a=b"],
            "iptables": False,
            "mtu": 1400,
            "runtimes": {"fast": {"path": "/usr/bin/fast"}},
            "log-opts": {"max-size": "1m"},
            "debug": True,
        },
    )
    assert config.hosts == ("unix:///a",) and config.data_root == Path("/d") and config.labels == ("a=b",)
    assert config.iptables is False and config.mtu == 1400 and config.debug is True
    assert config.runtimes == {"fast": "/usr/bin/fast"} and config.log_opts == {"max-size": "1m"}


def test_every_option_is_a_field() -> None:
    known = set(Config.__dataclass_fields__)
    assert {option.field for option in OPTIONS} == known


@pytest.mark.parametrize(
    ("word", "value"), [("-D", True), ("--debug", True), ("--debug=true", True), ("-D=false", False)]
)
def test_switches(tmp_path: Path, word: str, value: bool) -> None:
    assert load(tmp_path, word).debug is value


def test_a_name_in_both_places(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter) as caught:
        load(tmp_path, "--label", "a=b", "-D", stored={"labels": ["c=d", "e=f"], "debug": True, "mtu": 1400})
    assert caught.value.message == (
        f"unable to configure the daemon with file {tmp_path}/daemon.json: the following directives are specified both "
        "as a flag and in the configuration file: debug: (from flag: true, from file: true), "
        "labels: (from flag: [a=b], from file: [c=d e=f])"
    )


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ({"nonsense": 1, "data-root": "/d"}, "the following directives don't match any configuration option: nonsense"),
        ({"debug": "yes"}, 'debug must be true or false, not "yes"'),
        ({"mtu": "1400"}, 'mtu must be a number, not "1400"'),
        ({"mtu": True}, "mtu must be a number, not true"),
        ({"labels": "a=b"}, 'labels must be a list of strings, not "a=b"'),
        ({"labels": [1]}, "labels must be a list of strings, not [1]"),
        ({"data-root": 5}, "data-root must be a string, not 5"),
        ({"log-opts": ["a=b"]}, 'log-opts must be an object, not ["a=b"]'),
        ({"log-opts": {"max-file": 3}}, "the values of log-opts must be strings, not 3"),
        (
            {"runtimes": {"x": {"path": "/x", "runtimeType": "io.containerd.runc.v2"}}},
            "runtimeType of a runtime: havre calls runtimes without shims",
        ),
        ([], "the file must hold one JSON object"),
        ("{", "invalid JSON"),
        ({"log-level": "loud"}, 'invalid logging level: "loud"'),
        ({"bip": "10.0.0.0/24"}, "invalid bip: 10.0.0.0/24"),
        ({"bip": "10.0.0.1"}, "invalid bip: 10.0.0.1"),
        ({"bip": "nonsense"}, "invalid bip: nonsense"),
        ({"dns": ["resolver"]}, "resolver is not an ip address"),
        ({"labels": ["a"]}, "bad attribute format: a"),
        ({"bridge": "much-too-long-a-name"}, "invalid bridge name"),
        ({"bridge": "none"}, "bridge none is not supported"),
        ({"bridge": "0"}, "invalid bridge name '0': letters, digits, and _ . - within, 15 at most"),
        ({"storage-driver": "zfs"}, "storage driver 'zfs' is not supported"),
        ({"tlsverify": True}, "TLS needs tlscert and tlskey"),
        ({"tlsverify": True, "tlscert": "/c", "tlskey": "/k"}, "tlsverify needs tlscacert"),
        ({"default-runtime": "fast", "runtimes": {"slow": "/x"}}, "default runtime 'fast' does not exist"),
        ({"mtu": 1}, "invalid default MTU: 1"),
        ({"shutdown-timeout": -2}, "invalid shutdown timeout: -2"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, stored: Any, text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        load(tmp_path, stored=stored)
    assert text in caught.value.message and str(tmp_path / "daemon.json") in caught.value.message


def test_an_empty_file_is_fine(tmp_path: Path) -> None:
    assert load(tmp_path, stored="") == Config()
    assert load(tmp_path, stored="\ufeff{}") == Config()


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="no such file or directory"):
        load(tmp_path, "--config-file", "/nothing/daemon.json")


@pytest.mark.parametrize("words", [["--add-runtime", "fast"], ["--log-opt", "max-size"], ["--log-opt", "=1"]])
def test_maps_want_names_and_values(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(InvalidParameter, match="invalid value"):
        load(tmp_path, *words)


@pytest.mark.parametrize(
    "words", [["--nonsense"], ["stray"], ["--debug=maybe"], ["--mtu", "wide"], ["--data"], ["--host"]]
)
def test_a_wrong_command_line_ends_the_process(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        load(tmp_path, *words)
    assert caught.value.code == 2
    assert "havred" in capsys.readouterr().err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.parse(["--help"])
    shown = capsys.readouterr().out
    assert all(flag in shown for option in OPTIONS for flag in option.flags)
    with pytest.raises(SystemExit):
        command_line.parse(["--version"])
    assert capsys.readouterr().out.startswith("havred version ")


@pytest.mark.parametrize(
    ("driver", "options", "text"),
    [
        ("bogus", {}, 'error looking up logging plugin bogus: plugin "bogus" not found'),
        ("gelf", {}, "havre does not implement the log driver 'gelf'"),
        ("json-file", {"max-sise": "1m"}, "unknown log opt 'max-sise' for json-file log driver"),
        ("local", {"max-size": "x"}, "invalid value for max-size: x: invalid size: 'x'"),
    ],
)
def test_the_default_log_driver_is_checked(tmp_path: Path, driver: str, options: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        load(tmp_path, stored={"log-driver": driver, "log-opts": options})
    assert f"failed to set log opts: {text}" in caught.value.message
    load(tmp_path, stored={"log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}})


def test_a_runtime_has_arguments_of_its_own(tmp_path: Path) -> None:
    stored = {
        "runtimes": {
            "mine": {"path": "/usr/bin/runc", "runtimeArgs": ["--debug", "--rootless=false"]},
            "nvidia": {"path": "nvidia-container-runtime", "args": []},
        }
    }
    wanted = {"mine": "/usr/bin/runc\0--debug\0--rootless=false", "nvidia": "nvidia-container-runtime"}
    assert load(tmp_path, stored=stored).runtimes == wanted
