"""Words from outside are shown whole and do nothing, on a terminal, in HTML and in Markdown."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.core.foreign_text import in_markdown, visible
from fingerprinting.core.markdown import markdown_table

TEXTS = st.text(st.characters(categories=["L", "N", "P", "S", "Z", "C"]))
HTML = "".join(map(chr, range(0x21, 0x7F)))


@given(TEXTS)
def test_nothing_in_a_text_is_unseen(text):
    shown = visible(text)
    assert all(letter.isprintable() for letter in shown) and visible(shown) == shown
    shown.encode()


@given(TEXTS | st.text(HTML))
def test_a_cell_of_a_table_stays_one_cell_and_reads_as_it_was(text):
    cell = in_markdown(text)
    (line,) = markdown_table([], [[cell]])[2:]
    assert len(re.split(r"(?<!\\)(?:\\\\)*\|", line)) == 3 and "\n" not in line
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", cell) == visible(text)  # as CommonMark reads backslashes


@pytest.mark.parametrize("markup", ["*a*", "__a__", "`a`", "[a](b)", "<a>", "&lt;", "~~a~~", "a | b", "\\"])
def test_markup_is_none(markup):
    assert not re.search(r"(?<!\\)(\\\\)*(?<!\\)[*`\[<|&~]", in_markdown(markup)) and in_markdown(markup) != markup


@pytest.mark.parametrize("plain", ["my_module:ask", "https://host/v2/models/net", "t-shirt/top 3.5 µV"])
def test_what_is_no_markup_stays_as_it_is(plain):
    assert in_markdown(plain) == plain
