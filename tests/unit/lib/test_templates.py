"""Templates: what Go and Docker print for them (golden), the parts one by one, and a fuzz for stray exceptions."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from havre.lib.templates import List, Map, Nil, Record, Template, TemplateError
from havre.lib.templates.functions import FUNCTIONS, HEADER_FUNCTIONS
from havre.lib.templates.values import Method

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "cli" / "templates.json").read_text())


def floats(value: Any) -> Any:
    """Docker decodes the numbers of an untyped field as float64."""
    if isinstance(value, dict):
        return {key: floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["template"][:60])
def test_golden(case: dict[str, str]) -> None:
    value = {"Name": "v", "Status": floats(GOLDEN["data"])}
    if "error" in case:
        with pytest.raises(TemplateError) as caught:
            Template(case["template"]).execute(value)
        assert str(caught.value) == case["error"]
    else:
        assert Template(case["template"]).execute(value) == case["output"]


class Pair(Record):
    type_name = "demo.Pair"

    def get(self, name: str) -> object:
        return {"Left": "l", "Right": 2, "None": Nil("*demo.Pair", frozenset({"Left"})), "Twice": self.twice}[name]

    twice = Method(lambda text: text * 2, ("string",))

    def items(self) -> list[tuple[str, object]]:
        return [("Left", "l"), ("Right", 2)]


@pytest.mark.parametrize(
    ("template", "output"),
    [
        ("{{.}}", "{l 2}"),
        ('{{printf "%+v" .}}', "{Left:l Right:2}"),
        ('{{printf "%#v" .}}', 'demo.Pair{Left:"l", Right:2}'),
        ("{{json .}}", '{"Left":"l","Right":2}'),
        ("{{.Right}} {{.None}} {{json .None}}", "2 <nil> null"),
        ('{{.Twice "ab"}} {{"cd" | .Twice}} {{.Left | .Twice}}', "abab cdcd ll"),
        ("{{if .None}}a{{else}}b{{end}}{{if .}}c{{end}}", "bc"),
        ("{{range .None}}{{else}}none{{end}}", "none"),
    ],
)
def test_records(template: str, output: str) -> None:
    assert Template(template).execute(Pair()) == output


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{.Nope}}", "can't evaluate field Nope in type demo.Pair"),
        ("{{.Left.x}}", "can't evaluate field x in type string"),
        ("{{.None.Left}}", "nil pointer evaluating *demo.Pair.Left"),
        ("{{.None.Nope}}", "can't evaluate field Nope in type *demo.Pair"),
        ("{{.Twice}}", "wrong number of args for Twice: want 1 got 0"),
        ("{{.Twice 1}}", "expected string; found 1"),
        ("{{.Left 1}}", "Left has arguments but cannot be invoked as function"),
    ],
)
def test_record_errors(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(template).execute(Pair())
    assert str(caught.value).endswith(f">: {message}")


def test_typed_maps_and_lists() -> None:
    value = {
        "labels": Map("map[string]string", {"a": "b"}, "", source={"a": "b"}),
        "none": Map("map[string]string", {}, ""),
        "env": List("[]string", ["x"], source=["x"]),
        "nolist": List("[]string", []),
    }
    assert Template('{{index .labels "a"}}|{{index .labels "x"}}|{{.labels.x}}').execute(value) == "b||<no value>"
    assert Template("{{json .none}} {{json .nolist}} {{.none}} {{.nolist}}").execute(value) == "null null map[] []"
    with pytest.raises(TemplateError, match="can't evaluate field y in type string"):
        Template("{{range .env}}{{.y}}{{end}}").execute(value)


def test_join_takes_any_list() -> None:
    assert Template('{{join .a "-"}}').execute({"a": ["x", 1, None]}) == "x-1-<nil>"


def test_truncate_counts_bytes_and_cuts_no_character() -> None:
    assert Template('{{truncate "aäb" 2}}|{{truncate "aäb" 3}}').execute({}) == "a|aä"


def test_a_missing_key_can_be_an_error() -> None:
    with pytest.raises(TemplateError, match='map has no entry for key "b"'):
        Template("{{.a}}{{.b}}").execute({"a": "x"}, missing_is_error=True)
    with pytest.raises(TemplateError, match='nil data; no entry for key "b"'):
        Template("{{$x := .a}}{{$x.b}}").execute({"a": None}, missing_is_error=True)


def test_what_was_written_before_an_error_is_kept() -> None:
    with pytest.raises(TemplateError) as caught:
        Template("a{{.x}}b{{.x.y.z}}c").execute({"x": "1"})
    assert caught.value.output == "a1b"


def test_header_functions_leave_titles_alone() -> None:
    template = Template('{{upper .ID}} {{json .ID}} {{truncate .ID 1}} {{pad .ID 1 1}}|{{join .ID ","}}', "", FUNCTIONS)
    assert template.execute({"ID": "Id"}, functions=HEADER_FUNCTIONS) == "Id Id Id  Id |Id"


def test_the_name_shows_in_errors() -> None:
    with pytest.raises(TemplateError, match=r'^template: version:2:2: executing "version" at <index 1 2>: '):
        Template("\n{{index 1 2}}", "version").execute(1)


def test_columns_count_bytes() -> None:
    with pytest.raises(TemplateError, match=r":2:6: executing"):
        Template("x\nä{{.a.b}}").execute({"a": 1})


def test_endless_recursion_ends() -> None:
    with pytest.raises(TemplateError, match="exceeded maximum template depth"):
        Template('{{define "x"}}{{template "x"}}{{end}}{{template "x"}}').execute(1)
    with pytest.raises(TemplateError):
        Template("{{" + "(" * 50_000 + "1" + ")" * 50_000 + "}}").execute(1)


SYNTAX = "{{ }} {{- -}} . .a .b.c $ $x := = , | ( ) if else end range with define block template break nil true"
LITERALS = ['"s"', "`r`", "'c'", "1", "1.5", "-2", "0x1f", "x", "/*", "*/", '"%v %d %5.2f %q %x %[1]*d"', "é", "\\"]
WORDS = st.sampled_from([*SYNTAX.split(), *LITERALS, " ", "\n", "\ud800", *FUNCTIONS])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.floats() | st.text(max_size=5) | st.builds(Pair),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=8,
)


def run(template: str, value: object) -> None:
    try:
        parsed = Template(template)
        for strict in (False, True):
            try:
                assert isinstance(parsed.execute(value, missing_is_error=strict), str)
            except TemplateError:
                pass
    except TemplateError:
        pass


@settings(max_examples=1500, deadline=None)
@given(st.lists(WORDS, max_size=14).map(" ".join) | st.lists(WORDS, max_size=14).map("".join), VALUES)
@example('{{json .}}{{printf "%x" .}}{{html .}}{{js .}}{{urlquery .}}{{len .}}', "\ud800")
def test_only_template_errors_from_templates(template: str, value: object) -> None:
    run(template, value)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(sorted(FUNCTIONS)), st.lists(st.sampled_from([".", ".a", ".b.c", "1", '"s"', "nil"]))),
    min_size=1,
    max_size=3,
).map(lambda calls: "{{" + " | ".join(f"{name} {' '.join(args)}" for name, args in calls) + "}}")


@settings(max_examples=1500, deadline=None)
@given(ACTIONS, VALUES)
def test_only_template_errors_from_calls(template: str, value: object) -> None:
    run(template, value)


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="%+-# 0123456789.*[]vTtdbcoOqxXUeEfFgGs"), st.lists(VALUES, max_size=3))
def test_printf_never_fails(pattern: str, values: list[object]) -> None:
    words = " ".join(f"(index .v {i})" for i in range(len(values)))
    assert isinstance(Template("{{printf .p " + words + "}}").execute({"p": pattern, "v": values}), str)
