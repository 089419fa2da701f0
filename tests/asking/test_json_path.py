"""JSONPath, as much of it as my_api.json may use: what each path leads to, and which texts are none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.asking.json_path import has_all, matches, parse
from fingerprinting.core.errors import UserError

VALUE = {"a": {"b c": [1, {"d": 2}, [3]]}, "e": [], "*": 4, "it's": 5, 'say "hi"': 6, "ü": 7, "0": 8}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", [VALUE]),
        ("$.a['b c'][0]", [1]),
        (' $.a["b c"][-1][0] ', [3]),
        ("$.a['b c'][1].d", [2]),
        ("$.a['b c'][*]", VALUE["a"]["b c"]),
        ("$.a.*[0]", [1]),
        ("$.a['b c'][3]", []),
        ("$.a['b c'][-4]", []),
        ("$.e[*]", []),
        ("$.e.x", []),
        ("$.a[0]", []),
        ("$.ü", [7]),
        ("$['*']", [4]),
        (r"$['it\'s']", [5]),
        (r'$["say \"hi\""]', [6]),
        ("$.0", [8]),
        ("$['0']", [8]),
    ],
)
def test_a_path_leads_to_what_it_says(path, found):
    assert matches(parse(path), VALUE) == found
    assert has_all(parse(path)) == ("*" in path and "'*'" not in path)


@pytest.mark.parametrize(
    "path", ["", "a", "$a", "$.", "$..a", "$[", "$[a]", "$[1:2]", "$[?(@.x)]", "$['a'", "$.a b", "$[1e3]"]
)
def test_what_is_no_path_is_refused(path):
    with pytest.raises(UserError, match="the path .*(does not begin with|is not understood from)"):
        parse(path)


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
leaves = st.integers() | st.text(max_size=3)
values = st.recursive(leaves, lambda one: st.lists(one, max_size=3) | st.dictionaries(names, one, max_size=3))


@given(values, st.data())
def test_whatever_stands_in_a_value_a_path_leads_there(value, data):
    """Walked at random, and written down on the way."""
    path, there = "$", value
    while isinstance(there, list | dict) and there and data.draw(st.booleans()):
        if isinstance(there, list):
            place = data.draw(st.integers(-len(there), len(there) - 1))
            path, there = f"{path}[{place}]", there[place]
        else:
            name = data.draw(st.sampled_from(sorted(there)))
            quote = data.draw(st.sampled_from("'\""))
            escaped = name.replace("\\", "\\\\").replace(quote, f"\\{quote}")
            path, there = f"{path}[{quote}{escaped}{quote}]", there[name]
    assert matches(parse(path), json.loads(json.dumps(value))) == [there]


@given(st.text(max_size=20) | st.text("$.[]*'\"\\a0-", max_size=12).map("$".__add__))
def test_whatever_the_text_it_is_a_path_or_one_sentence(text):
    try:
        assert isinstance(matches(parse(text), VALUE), list)
    except UserError as error:
        assert "\n" not in str(error)
