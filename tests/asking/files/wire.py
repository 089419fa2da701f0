"""ONNX files written field by field, as protobuf has them: hostile ones, which the onnx package would not write."""

GRAPH, FUNCTION, NODE, INITIALIZER, ATTRIBUTE, SUBGRAPH, DATA, LOCATED = 7, 25, 1, 5, 5, 6, 13, 14


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def text(field: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def node(kind: str, domain: str = "", inside: bytes = b"") -> bytes:
    return text(NODE, text(1, "x") + text(2, "y") + text(4, kind) + text(7, domain) + inside)


def tensor(place: str) -> bytes:
    """A tensor whose data lie in another file."""
    return number(2, 1) + text(8, "w") + text(DATA, text(1, "location") + text(2, place)) + number(LOCATED, 1)


def model(*parts: bytes, functions: bytes = b"") -> bytes:
    return number(1, 10) + text(GRAPH, b"".join(parts)) + text(8, number(2, 21)) + functions
