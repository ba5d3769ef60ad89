"""``--change`` instructions; the error texts are dockerd's."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.engine.changes import apply
from havre.errors import InvalidParameter

RANGE: dict[str, Any] = {"90/tcp": {}, "91/tcp": {}}


@pytest.mark.parametrize(
    ("changes", "config"),
    [
        (['CMD ["a", "b"]'], {"Cmd": ["a", "b"]}),
        (["cmd echo $HOME"], {"Cmd": ["/bin/sh", "-c", "echo $HOME"]}),
        (['CMD ["a"'], {"Cmd": ["/bin/sh", "-c", '["a"']}),
        (["CMD " + "[" * 5000], {"Cmd": ["/bin/sh", "-c", "[" * 5000]}),
        (["CMD []"], {"Cmd": []}),
        (["CMD"], {"Cmd": ["/bin/sh", "-c"]}),
        (['ENTRYPOINT ["/init"]'], {"Entrypoint": ["/init"], "Cmd": None}),
        (["CMD x", "ENTRYPOINT y"], {"Cmd": ["/bin/sh", "-c", "x"], "Entrypoint": ["/bin/sh", "-c", "y"]}),
        (['ENTRYPOINT ["/init"]', "CMD x"], {"Entrypoint": ["/init"], "Cmd": ["/bin/sh", "-c", "x"]}),
        (["ENV A=1 B='2 3' C=\"4 5\" D=6\\ 7"], {"Env": ["A=1", "B=2 3", "C=4 5", "D=6 7"]}),
        (["ENV A one two"], {"Env": ["A=one two"]}),
        (["ENV A=1", "ENV B=$A-${A}-${X:-none}-${A:+some}-\\$A A=2"], {"Env": ["A=2", "B=1-1-none-some-$A"]}),
        (["ENV A='$B'"], {"Env": ["A=$B"]}),
        (["LABEL a=1 'b c'=\"x y\"", "LABEL a=2"], {"Labels": {"a": "2", "b c": "x y"}}),
        (["EXPOSE 80 443/TCP 53/udp 90-91"], {"ExposedPorts": {"80/tcp": {}, "443/tcp": {}, "53/udp": {}, **RANGE}}),
        (["USER app:app"], {"User": "app:app"}),
        (["VOLUME /a /b", 'VOLUME ["/c d"]'], {"Volumes": {"/a": {}, "/b": {}, "/c d": {}}}),
        (["WORKDIR /a", "WORKDIR b/../c", "ENV D=x", "WORKDIR $D"], {"WorkingDir": "/a/c/x", "Env": ["D=x"]}),
        (["WORKDIR rel"], {"WorkingDir": "/rel"}),
        (["STOPSIGNAL SIGQUIT"], {"StopSignal": "SIGQUIT"}),
        (["STOPSIGNAL 9"], {"StopSignal": "9"}),
        (["ONBUILD RUN make", "ONBUILD COPY . /x"], {"OnBuild": ["RUN make", "COPY . /x"]}),
        (["HEALTHCHECK NONE"], {"Healthcheck": {"Test": ["NONE"]}}),
        (
            ['HEALTHCHECK --interval=5s --timeout=1m --retries=3 CMD ["check"]'],
            {"Healthcheck": {"Test": ["CMD", "check"], "Interval": 5 * 10**9, "Timeout": 60 * 10**9, "Retries": 3}},
        ),
        (["HEALTHCHECK CMD check it"], {"Healthcheck": {"Test": ["CMD-SHELL", "check it"]}}),
        (["ENV A=1 \\\n  B=2", "# a comment\n\nUSER x"], {"Env": ["A=1", "B=2"], "User": "x"}),
        ([], {}),
    ],
)
def test_changes(changes: list[str], config: dict[str, Any]) -> None:
    assert apply(changes, {}) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("FOO a", "FOO is not a valid change command"),
        ("FROM a", "FROM is not a valid change command"),
        ("RUN a", "RUN is not a valid change command"),
        ("EXPOSE a", "Invalid containerPort: a"),
        ("EXPOSE 0", "Invalid containerPort: 0"),
        ("EXPOSE 9-8", "Invalid containerPort: 9-8"),
        ("EXPOSE 80/icmp", "Invalid proto: icmp"),
        ("EXPOSE", "EXPOSE requires at least one argument"),
        ("ENV A", "ENV must have two arguments"),
        ("ENV", "ENV requires at least one argument"),
        ("ENV A=1 B", 'Syntax error - can\'t find = in "B". Must be of the form: name=value'),
        ("ENV =1", "ENV names can not be blank"),
        ("LABEL", "LABEL requires at least one argument"),
        ("HEALTHCHECK A", 'Unknown type "A" in HEALTHCHECK (try CMD)'),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK --foo=1 CMD x", "unknown flag: foo"),
        ("STOPSIGNAL A", "invalid signal: A"),
        ("STOPSIGNAL 0", "invalid signal: 0"),
        ("ONBUILD", "ONBUILD requires at least one argument"),
        ("ONBUILD ONBUILD RUN", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("USER", "USER requires exactly one argument"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("", "file with no instructions"),
        ("# nothing", "file with no instructions"),
        ("ENV A='b", 'failed to process "\'b": unexpected end of statement while looking for matching single-quote'),
        ('VOLUME [""]', "VOLUME specified can not be an empty string"),
    ],
)
def test_errors(change: str, message: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        apply([change], {})
    assert caught.value.message == message


def test_the_configuration_given_is_left_alone() -> None:
    given_config = {"Env": ["A=1"], "Labels": {"a": "1"}, "Cmd": ["x"]}
    assert apply(["ENV A=2", "LABEL b=2"], given_config) == {
        "Env": ["A=2"],
        "Labels": {"a": "1", "b": "2"},
        "Cmd": ["x"],
    }
    assert given_config == {"Env": ["A=1"], "Labels": {"a": "1"}, "Cmd": ["x"]}


@given(
    st.lists(st.text(max_size=40), max_size=4), st.sampled_from(["ENV ", "LABEL ", "EXPOSE ", "CMD ", "HEALTHCHECK "])
)
def test_nothing_else_is_raised(texts: list[str], instruction: str) -> None:
    try:
        apply([instruction + text for text in texts], {})
    except InvalidParameter:
        pass
