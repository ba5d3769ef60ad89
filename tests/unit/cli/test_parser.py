"""The command line read as pflag reads it: forms of flags, kinds of values, Docker's error texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.cli.errors import ArityError, FlagError
from havre.cli.parser import MANY, Args, HelpWanted, Parser, convert


def make(interspersed: bool = True) -> Parser:
    parser = Parser()
    parser.interspersed = interspersed
    parser.arity(0, MANY)
    parser.flag("interactive", "i")
    parser.flag("tty", "t")
    parser.flag("rm")
    parser.flag("name", "", "string")
    parser.flag("publish", "p", "list")
    parser.flag("env", "e", "list")
    parser.flag("cpu-shares", "c", "int")
    parser.flag("memory", "m", "bytes")
    parser.flag("sig-proxy", default=True)
    parser.flag("trace", "", "string", bare="table")
    parser.alias("nick", "name")
    return parser


def parse(*argv: str, interspersed: bool = True) -> Args:
    return make(interspersed).parse(list(argv))


def test_what_is_not_given_has_its_zero_or_default() -> None:
    args = parse()
    assert (args.interactive, args.name, args.publish, args.cpu_shares, args.sig_proxy) == (False, "", [], 0, True)
    assert args.args == []
    assert not args.changed("name")


@pytest.mark.parametrize("argv", [["--name", "x"], ["--name=x"], ["--nick=x"], ["--name=y", "--name", "x"]])
def test_long_forms(argv: list[str]) -> None:
    args = parse(*argv)
    assert args.name == "x"
    assert args.changed("name")


@pytest.mark.parametrize("argv", [["-p", "80"], ["-p80"], ["-p=80"], ["-ip80"], ["-itp", "80"], ["-itp=80"]])
def test_short_forms(argv: list[str]) -> None:
    assert parse(*argv).publish == ["80"]


def test_clusters_and_booleans() -> None:
    args = parse("-it", "--rm=false", "--sig-proxy=0")
    assert (args.interactive, args.tty, args.rm, args.sig_proxy) == (True, True, False, False)
    assert args.changed("rm")
    assert parse("-t=false").tty is False


def test_a_flag_that_may_stand_alone() -> None:
    args = parse("--trace", "json")
    assert (args.trace, args.args) == ("table", ["json"])
    assert parse("--trace=json").trace == "json"


def test_lists_do_not_share_their_values() -> None:
    parser = make()
    assert parser.parse(["-e", "A"]).env == ["A"]
    assert parser.parse(["-e", "B"]).env == ["B"]
    assert parser.parse([]).env == []


def test_options_end_at_the_first_argument_where_a_command_follows() -> None:
    args = parse("-i", "image", "-t", "--rm", interspersed=False)
    assert (args.interactive, args.tty, args.args) == (True, False, ["image", "-t", "--rm"])
    args = parse("-i", "one", "-t", "two")
    assert (args.tty, args.args) == (True, ["one", "two"])


def test_two_dashes_end_the_options() -> None:
    assert parse("-i", "--", "-t", "--").args == ["-t", "--"]
    assert parse("-").args == ["-"]


NO_NUMBER = 'invalid argument "{}" for "-c, --cpu-shares" flag: strconv.ParseInt: parsing "{}": invalid syntax'


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--foo"], "unknown flag: --foo"),
        (["--foo=1"], "unknown flag: --foo"),
        (["-Z"], "unknown shorthand flag: 'Z' in -Z"),
        (["-itZp"], "unknown shorthand flag: 'Z' in -Zp"),
        (["--name"], "flag needs an argument: --name"),
        (["-p"], "flag needs an argument: 'p' in -p"),
        (["-ip"], "flag needs an argument: 'p' in -p"),
        (["--=x"], "bad flag syntax: --=x"),
        (["---x"], "bad flag syntax: ---x"),
        (["--rm=foo"], 'invalid argument "foo" for "--rm" flag: strconv.ParseBool: parsing "foo": invalid syntax'),
        (
            ["-c", "x"],
            'invalid argument "x" for "-c, --cpu-shares" flag: strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (["-m", "x"], 'invalid argument "x" for "-m, --memory" flag: invalid size: \'x\''),
        (
            ["-c", 'a"\n'],
            'invalid argument "a\\"\\n" for "-c, --cpu-shares" flag: strconv.ParseInt: parsing "a"\n": invalid syntax',
        ),
    ],
)
def test_wrong_flags(argv: list[str], text: str) -> None:
    with pytest.raises(FlagError) as error:
        parse(*argv)
    assert (error.value.message, error.value.exit_code) == (text, 125)


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["x", "--help"]])
def test_help(argv: list[str]) -> None:
    with pytest.raises(HelpWanted):
        parse(*argv)


@pytest.mark.parametrize(
    ("least", "most", "count", "text"),
    [
        (0, 0, 1, "accepts no arguments"),
        (1, 1, 0, "requires 1 argument"),
        (2, 2, 1, "requires 2 arguments"),
        (1, MANY, 0, "requires at least 1 argument"),
        (2, MANY, 1, "requires at least 2 arguments"),
        (0, 1, 2, "requires at most 1 argument"),
        (1, 2, 3, "requires at least 1 and at most 2 arguments"),
    ],
)
def test_too_few_or_too_many(least: int, most: int, count: int, text: str) -> None:
    parser = Parser()
    parser.arity(least, most)
    with pytest.raises(ArityError, match=text):
        parser.parse(["x"] * count)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("bool", "T", True),
        ("bool", "0", False),
        ("int", "0x10", 16),
        ("int", "010", 8),
        ("int", "0o17", 15),
        ("int", "-5", -5),
        ("int", "+5", 5),
        ("int", "1_000", 1000),
        ("uint", "18446744073709551615", (1 << 64) - 1),
        ("uint16", "65535", 65535),
        ("bytes", "1.5k", 1536),
        ("duration", "1m30s", 90_000_000_000),
        ("decimal", "1.5", 1_500_000_000),
        ("decimal", "1/4", 250_000_000),
        ("string", " as it is ", " as it is "),
    ],
)
def test_values(kind: str, text: str, value: object) -> None:
    assert convert(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("int", "", "invalid syntax"),
        ("int", "1.5", "invalid syntax"),
        ("int", "--5", "invalid syntax"),
        ("int", " 5", "invalid syntax"),
        ("int", "٣", "invalid syntax"),
        ("int", "9223372036854775808", "value out of range"),
        ("uint", "-1", "invalid syntax"),
        ("uint16", "65536", "value out of range"),
        ("duration", "5", "missing unit in duration"),
        ("decimal", "x", "failed to parse x as a rational number"),
        ("decimal", "1/0", "failed to parse"),
        ("decimal", "0.0000000001", "value is too precise"),
    ],
)
def test_what_is_no_value(kind: str, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        convert(kind, text)


@given(st.lists(st.text(max_size=8), max_size=6))
def test_any_command_line_is_read_or_refused(argv: list[str]) -> None:
    try:
        parse(*argv)
    except (FlagError, HelpWanted):
        pass
