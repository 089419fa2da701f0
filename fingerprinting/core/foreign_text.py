"""Words from outside as people get to see them: all that is in them shows, and none of it acts."""

import re

MARKUP = re.compile(r"[\\`*\[\]<>|&~]|(?<![^\W_])_|_(?![^\W_])")  # of Markdown; _ inside a word is none


def visible(text: str) -> str:
    """The text on one line, with a code for each character that shows nothing.

    Among these are the characters that turn the direction of what follows them, those that a terminal obeys, and halves
    of surrogate pairs.
    """
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else f"\\u{ord(letter):04x}" for letter in text
    )


def in_markdown(text: str) -> str:
    """The text as it reads in a cell of a table in Markdown, whatever markup or HTML stands in it."""
    return MARKUP.sub(r"\\\g<0>", visible(text))


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
