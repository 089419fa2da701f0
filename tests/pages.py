"""HTML pages as tests read them: through a parser, so that what is escaped is text and what is not shows itself."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """tags: each with its attributes, in order. text: of the body as it is read. ids: text by an element's id.

    headings: (level, text) in order. rows: first cell of a table's row -> the other ones.
    """

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[int, str]] = []
        self.rows: dict[str, list[str]] = {}
        self.ids: dict[str, str] = {}
        self.text = ""
        self._open: list[tuple[str, str | None, int]] = []
        self._cells: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open, f"{self._open} are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self._cells = []
        if tag not in VOID:
            self._open.append((tag, dict(attrs).get("id"), len(self.text)))

    def handle_endtag(self, tag: str) -> None:
        opened, name, start = self._open.pop()
        assert opened == tag, f"{tag} ends what {opened} began"
        inside = self.text[start:].strip()
        if name:
            self.ids[name] = inside
        if tag in ("td", "th"):
            self._cells.append(inside)
        if tag == "tr":
            self.rows[self._cells[0]] = self._cells[1:]
        if tag[0] == "h" and tag[1:].isdigit():
            self.headings.append((int(tag[1:]), inside))

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1][0] != "style":
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def check(self) -> None:
        """What holds for every page: headings in order, pictures with words, nothing that runs."""
        levels = [level for level, _ in self.headings]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
        assert all(image.get("alt") for image in self.of("img"))
        assert not self.of("script") and not self.of("iframe") and not self.of("link") and not self.of("object")
        assert not [name for _, attrs in self.tags for name in attrs if name.startswith("on")]
        targets = [attrs["href"] for attrs in self.of("a") if attrs.get("href")]
        assert not [target for target in targets if (target or "").partition(":")[1]]
