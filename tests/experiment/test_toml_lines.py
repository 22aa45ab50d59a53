"""Every key and element of a TOML text is found on its line."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from suite.experiment.toml_lines import locate, nearest_line

TEXT = '''\
title = "a # b = [c]"   # = [ {
note = """
two = 1
lines"""
[run]
batch_size = 8
optimizer = { name = "sgd", learning_rate = 0.1 }
a.b = 1

[axes]
algorithm = [
  "synchronous",
  { name = "delayed", steps = 1 },  # comment ]
]
[[override]]
where = { algorithm = "x" }
[override.set]
steps = 3
[[override]]
set.steps = 4
'''


def test_known_text():
    lines = locate(TEXT)
    assert lines["title",] == 1
    assert lines["note",] == 2
    assert ("two",) not in lines
    assert lines["run", "batch_size"] == 6
    assert lines["run", "optimizer", "learning_rate"] == 7
    assert lines["run", "a", "b"] == 8
    assert lines["axes", "algorithm"] == 11
    assert lines["axes", "algorithm", 0] == 12
    assert lines["axes", "algorithm", 1, "steps"] == 13
    assert lines["override", 0, "where", "algorithm"] == 16
    assert lines["override", 0, "set", "steps"] == 18
    assert lines["override", 1, "set", "steps"] == 20


def test_what_has_no_line_is_answered_with_what_is_around_it():
    lines = locate(TEXT)
    assert nearest_line(lines, ("axes", "algorithm", 1, "nothing", "at", "all")) == 13
    assert nearest_line(lines, ("absent",)) == 1


def paths(value, path=()):
    if path:
        yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield from paths(item, (*path, key))


scalars = st.one_of(st.integers(0, 99).map(str), st.sampled_from(['"x"', "'y]'", "true", "1.5", '"""a\nb"""']))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ",\n".join(items) + "\n]"),
        st.lists(inner, max_size=3).map(
            lambda items: "{" + ", ".join(f"k{i} = {v}" for i, v in enumerate(items)) + "}"
        ),
    ),
    max_leaves=6,
)


@given(st.lists(values, max_size=4), st.lists(values, max_size=3))
def test_every_path_that_the_parser_sees_has_a_line(top, inner):
    text = "".join(f"a{i} = {value}\n" for i, value in enumerate(top))
    text += "[[t]]\n" + "".join(f'"b {i}" = {value}\n' for i, value in enumerate(inner)) + "[t.u]\nz = 1\n"
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a line break inside an inline table
        return
    lines = locate(text)
    assert set(paths(parsed)) == set(lines)
    for path, line in lines.items():
        if isinstance(path[-1], str) and not path[-1].startswith("k"):
            assert path[-1] in text.splitlines()[line - 1]
