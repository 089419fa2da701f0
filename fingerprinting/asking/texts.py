"""Small text files that somebody wrote by hand: read as they are meant, or refused in one sentence."""

from pathlib import Path

from fingerprinting.core.errors import UserError

LARGEST = 10_000_000  # bytes of a file that is read here; responses to some hundred queries are far smaller


def text_of(path: Path) -> str:
    try:
        if not path.is_file():
            raise UserError(f"{path} is no file" if path.exists() else f"{path} does not exist")
        if (size := path.stat().st_size) > LARGEST:
            raise UserError(f"{path} has {size} bytes, far too many to be read here; give another file")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); give another file") from None
    if "\0" in text:  # UTF-16, or a picture
        raise UserError(f"{path} is no text in UTF-8; save it as one")
    return text
