"""Log options of the other drivers, in dockerd's words (28.5), and what tags and attributes come of them."""

from dataclasses import replace

import pytest

from havre.errors import HavreError, InvalidParameter, Unsupported
from havre.logs import Facts
from havre.logs.drivers import find
from havre.logs.facts import attributes, details, json_attributes, tag
from havre.logs.settings import check_attributes

FACTS = Facts(
    id="0123456789ab" + "c" * 52,
    name="web",
    image="nginx:1",
    image_id="sha256:" + "d" * 64,
    command="sh -c x",
    created=1767323045_000000007,
    environment=("A=1", "PATH=/bin", "EMPTY"),
    labels={"color": "red", "com.example.x": "y z"},
)

BUFFER = "logger: max-buffer-size option is only supported with 'mode=non-blocking'"


@pytest.mark.parametrize(
    ("driver", "option", "text"),
    [
        ("json-file", "bogus=1", "unknown log opt 'bogus' for json-file log driver"),
        ("json-file", "max-size=abc", "invalid size: 'abc'"),
        ("json-file", "max-size=0", "max-size must be a positive number"),
        ("json-file", "max-size=-1", "invalid size: '-1'"),
        ("json-file", "max-file=0", "max-file cannot be less than 1"),
        ("json-file", "max-file=x", 'strconv.Atoi: parsing "x": invalid syntax'),
        ("json-file", "compress=x", 'strconv.ParseBool: parsing "x": invalid syntax'),
        ("json-file", "compress=true", "compress cannot be true when max-file is less than 2 or max-size is not set"),
        ("json-file", "mode=x", "logger: logging mode not supported: x"),
        ("json-file", "max-buffer-size=1m", BUFFER),
        ("json-file", "cache-disabled=x", "invalid value for option cache-disabled: x"),
        ("json-file", "tag={{.ID", "template: log-tag:1: unclosed action"),
        ("syslog", "bogus=1", "unknown log opt 'bogus' for syslog log driver"),
        ("syslog", "max-size=1m", "unknown log opt 'max-size' for syslog log driver"),
        ("syslog", "syslog-address=foo", "unsupported scheme: ''"),
        ("syslog", "syslog-address=http://x", "unsupported scheme: 'http'"),
        ("syslog", "syslog-address=unix:///nonexistent", "stat /nonexistent: no such file or directory"),
        ("syslog", "syslog-address=unixgram:///nonexistent", "stat /nonexistent: no such file or directory"),
        ("syslog", "syslog-address=unix://", "stat : no such file or directory"),
        ("syslog", "syslog-address=tcp+tls://1.2.3.4:x", 'parse "tcp+tls://1.2.3.4:x": invalid port ":x" after host'),
        ("syslog", "syslog-facility=99", "invalid syslog facility"),
        ("syslog", "syslog-facility=x", "invalid syslog facility"),
        ("syslog", "syslog-format=x", "Invalid syslog format"),
        ("journald", "bogus=1", "unknown log opt 'bogus' for journald log driver"),
        ("journald", "mode=x", "logger: logging mode not supported: x"),
    ],
)
def test_refused(driver: str, option: str, text: str) -> None:
    key, _, value = option.partition("=")
    with pytest.raises(InvalidParameter) as caught:
        find(driver).check({key: value})
    assert caught.value.message == text


@pytest.mark.parametrize(
    ("driver", "option"),
    [
        ("json-file", "max-file=2"),
        ("json-file", "labels=a"),
        ("json-file", "cache-disabled=true"),
        ("syslog", "syslog-address=udp://"),
        ("syslog", "syslog-address=tcp://1.2.3.4"),
        ("syslog", "syslog-facility=local7"),
        ("syslog", "syslog-facility=23"),
        ("syslog", "syslog-format=rfc5424micro"),
        ("syslog", "syslog-tls-ca-cert=/nope"),
        ("journald", "tag={{.ID}}"),
        ("none", "anything=goes"),
    ],
)
def test_taken(driver: str, option: str) -> None:
    key, _, value = option.partition("=")
    find(driver).check({key: value})


def test_non_blocking_buffers_have_a_size() -> None:
    find("syslog").check({"mode": "non-blocking", "max-buffer-size": "4m"})
    with pytest.raises(InvalidParameter, match="error parsing option max-buffer-size: invalid size: 'x'"):
        find("syslog").check({"mode": "non-blocking", "max-buffer-size": "x"})


@pytest.mark.parametrize("name", ["gelf", "fluentd", "awslogs", "splunk", "gcplogs", "etwlogs"])
def test_drivers_for_services_of_others_are_refused_by_name(name: str) -> None:
    with pytest.raises(Unsupported, match=f"log driver '{name}'"):
        find(name)


def test_unknown_drivers_are_told_in_dockerds_words() -> None:
    with pytest.raises(HavreError) as caught:
        find("bogus")
    assert caught.value.message == 'error looking up logging plugin bogus: plugin "bogus" not found'


def test_tags() -> None:
    template = "{{.Name}}/{{.ID}}/{{.FullID}}/{{.ImageName}}/{{.ImageID}}/{{.DaemonName}}/{{.Command}}"
    wanted = f"web/0123456789ab/{FACTS.id}/nginx:1/sha256:ddddd/docker/sh -c x"
    assert tag(FACTS, {"tag": template}) == wanted
    assert tag(FACTS, {}) == "0123456789ab"
    assert tag(FACTS, {"tag": "{{.ContainerCreated}}"}) == "2026-01-02 03:04:05.000000007 +0000 UTC"
    with pytest.raises(InvalidParameter) as caught:
        tag(FACTS, {"tag": "{{.Foo}}"})
    assert caught.value.message == (
        'template: log-tag:1:2: executing "log-tag" at <.Foo>: can\'t evaluate field Foo in type *logger.Info'
    )


def test_attributes() -> None:
    assert attributes(FACTS, {"labels": "color,nothing", "env": "A,EMPTY"}) == {"color": "red", "A": "1", "EMPTY": ""}
    chosen = attributes(FACTS, {"labels-regex": "^com[.]", "env-regex": "^P"}, str.upper)
    assert chosen == {"COM.EXAMPLE.X": "y z", "PATH": "/bin"}
    assert json_attributes(FACTS, {}) == ""
    assert json_attributes(FACTS, {"labels": "color", "tag": "<{{.Name}}>"}) == (
        '{"color":"red","tag":"\\u003cweb\\u003e"}'
    )
    assert details(FACTS, {}) == b" "
    assert details(FACTS, {"labels": "com.example.x", "env": "A"}) == b"A=1,com.example.x=y+z "


def test_journald_fields_are_named_as_journald_takes_them() -> None:
    facts = replace(FACTS, labels={"_com.example-x": "1", "container_name": "lie"})
    plan = find("journald").plan(facts, {"labels-regex": "."})
    assert plan is not None
    assert plan["target"]["fields"] == {
        "COM_EXAMPLE_X": "1",
        "CONTAINER_NAME": "web",
        "CONTAINER_ID": "0123456789ab",
        "CONTAINER_ID_FULL": FACTS.id,
        "CONTAINER_TAG": "0123456789ab",
        "IMAGE_NAME": "nginx:1",
        "SYSLOG_IDENTIFIER": "0123456789ab",
    }


def test_no_pattern_of_a_request_holds_the_daemon_up() -> None:
    facts = replace(FACTS, labels={"a" * 40 + "!": "x"})
    assert attributes(facts, {"labels-regex": "(a+)+$"}) == {}
    with pytest.raises(InvalidParameter, match="nests too deeply"):
        check_attributes({"env-regex": "(" * 500})
