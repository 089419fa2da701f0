"""Templates become pages: whatever stands in them is escaped, and what would not be seen in it is made visible."""

import base64
from functools import cache

import jinja2

from fingerprinting.core.foreign_text import visible

TYPES = {"png": "image/png", "svg": "image/svg+xml"}


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("fingerprinting.reports.html"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rendered(template: str, **values: object) -> str:
    return _templates().get_template(template).render(values)


def _seen(value: object) -> object:
    return visible(value) if isinstance(value, str) else value


def data_uri(content: bytes, kind: str) -> str:
    """A picture, png or svg, as an address that holds it."""
    return f"data:{TYPES[kind]};base64,{base64.b64encode(content).decode('ascii')}"
