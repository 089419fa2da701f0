"""Numbers in README's and docs' sentences: every one is computed from the records, or listed as none that was measured.

The tables between markers are written by code (test_readme.py). Sentences are written by people, so their numbers are
checked: fingerprinting/reports/prose.py, with prose_passports.py, holds MEASURED, words of a document with a field for
each number and what computes it from results/records; docs/numbers.txt holds the words whose numbers are constants,
titles, or tries that left no record. A test fails where a sentence no longer says what the records do, where listed
words stand in no document any more, and where prose (not code, tables by code, links, lists' numbers) has a number, in
digits or as a word such as `twice` or `three hundred`, that is listed nowhere. To mend it, correct the sentence or list
its words.
"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.core.places import REPOSITORY
from fingerprinting.reports import sentences
from fingerprinting.reports.prose import MEASURED
from fingerprinting.reports.sentences import CONSTANTS, NOT_READ, NUMBER, Measured, places, unlisted

DOCUMENTS = sentences.documents()
TEXTS = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in DOCUMENTS}
LISTED = sentences.constants()


@pytest.fixture(autouse=True)
def committed(monkeypatch) -> None:
    monkeypatch.delenv("RESULTS_DIR")


@pytest.mark.parametrize("measured", MEASURED, ids=lambda one: re.sub(r"\W+", "_", one.words)[:50])
def test_a_sentence_says_what_the_records_do(measured):
    assert not NUMBER.search(re.sub(r"{[^}]*}", "", measured.words)), "a number that nothing computes"
    said = measured.said()
    assert places(said, TEXTS[measured.document]), f"by the records {measured.document} must say: {said}"


def test_listed_words_stand_in_their_documents_and_hold_numbers():
    assert set(LISTED) <= set(DOCUMENTS)
    for document, listed in LISTED.items():
        assert len(listed) == len(set(listed))
        for words in listed:
            assert NUMBER.search(words), f"{CONSTANTS.name}: {words!r} holds no number"
            assert places(words, TEXTS[document]), f"{CONSTANTS.name}: {document} no longer says {words!r}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_number_in_prose_is_listed_nowhere(document):
    listed = [one.said() for one in MEASURED if one.document == document] + LISTED.get(document, [])
    assert list(unlisted(TEXTS[document], listed)) == []


PRIVATE = (  # words of this project's own for what the field has a name for
    r"\b(thie(?:f|ves)|thefts?|honest|tamper\w*|pirated|accus\w*|peers?|readings?|oftener|alike|anew|questions?|answers?)\b"
)
PAGES = [*sorted({*DOCUMENTS, *NOT_READ} - {"docs/inputs.md"}), "CONTRIBUTING.md"]  # inputs.md quotes the code


def prose(document: str) -> list[str]:
    """The lines of a document's sentences; code, tables and what code writes are blank."""
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    text = sentences.BLOCK.sub(lambda block: "\n" * block[0].count("\n"), text)
    text = re.sub(r"```.*?```", lambda block: "\n" * block[0].count("\n"), text, flags=re.DOTALL)
    lines = re.sub(r"`[^`]*`", "", text).splitlines()
    return ["" if line.startswith(("    ", "|", "#")) else line for line in lines]


@pytest.mark.parametrize("document", PAGES)
def test_sentences_say_the_fields_words(document):
    assert [line for line in prose(document) if re.search(PRIVATE, line, re.IGNORECASE)] == []


@pytest.mark.parametrize("document", [*PAGES, "docs/inputs.md"])
def test_a_paragraph_has_at_most_five_lines(document):
    paragraphs = re.split(r"\n\n+|\n(?=- |\d+\. )", "\n".join(prose(document)))
    assert [paragraph for paragraph in paragraphs if len(paragraph.strip().splitlines()) > 5] == []


def test_every_document_is_read_or_named():
    found = {"README.md", "data/README.md", *(f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md"))}
    assert set(DOCUMENTS) | set(NOT_READ) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It costs 0.3.", 1),
        ("From .472 to -.5, in [-1, 1].", 4),
        ("It costs some three hundred models and twice the queries.", 3),
        ("From -0.25 to 1e-3, 1,370 of 95% and 10 × 3.", 6),
        ("CIFAR-10, ResNet18, conv3 and top-1 are names; one is no number.", 0),
        ("Code such as `N=50` and\n\n    python evolved.py N=50\n\nis no prose, nor is [a link](page-7.md).", 0),
        ("1. A list.\n2. Goes on.\n\n| 12 | a step |", 0),
        ("<!-- runs: written by code from x -->\n| 0.3 |\n<!-- end of runs -->\nHalf of it.", 1),
        ("# Title\n\n## Papers\n\nICLR 2018.\n\n## More\n\nIn 2019.", 1),
        ("Two\nlisted words, and the same two\nlisted words, then three.", 1),
    ],
)
def test_what_is_a_number_in_prose(text, found):
    assert len(list(unlisted(text, ["two listed words", "Two listed words"]))) == found


def test_values_that_should_be_one_and_differ_are_found_out():
    with pytest.raises(ValueError, match="has room for 1 numbers, the records give"):
        Measured("README.md", "at {:.2f}", lambda: {0.25, 0.5}).said()


@given(st.floats(0, 1), st.sampled_from(["{:.2f}", "{:.0%}", "{:.3f}"]), st.text("abc ,.(", max_size=9))
def test_a_number_that_is_put_into_any_sentence_is_found_unless_its_words_are_listed(number, written, around):
    said = f"by {written.format(number)} less"
    text = f"The mean {around} falls {said} {around} than that."
    assert len(list(unlisted(text, []))) == 1 and not list(unlisted(text, [said]))
    assert len(list(unlisted(text, ["falls by"]))) == 1
