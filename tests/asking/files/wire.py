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


FLOAT, UINT8, STRING, INT64, FLOAT16 = 1, 2, 8, 7, 10  # TensorProto.DataType
DOCUMENTED = 6


def value(field: int, name: str, kind: int, shape: list[int | str]) -> bytes:
    """An input (field 11) or an output (field 12) of a graph; a text is a side of any length."""
    sides = b"".join(text(1, text(2, side) if isinstance(side, str) else number(1, side)) for side in shape)
    return text(field, text(1, name) + text(2, text(1, number(1, kind) + text(2, sides))))


def operation(kind: str, taken: list[str], given: list[str], inside: bytes = b"") -> bytes:
    parts = [*(text(1, name) for name in taken), *(text(2, name) for name in given)]
    return text(NODE, b"".join(parts) + text(4, kind) + inside)


def whole(name: str, content: int) -> bytes:
    """An attribute that is a whole number."""
    return text(ATTRIBUTE, text(1, name) + number(3, content) + number(20, 2))


def subgraph(name: str, graph: bytes) -> bytes:
    return text(ATTRIBUTE, text(1, name) + text(SUBGRAPH, graph) + number(20, 5))


def initializer(name: str, kind: int, shape: list[int], data: bytes) -> bytes:
    sides = b"".join(number(1, side) for side in shape)
    return text(INITIALIZER, sides + number(2, kind) + text(8, name) + text(9, data))


def named(graph: bytes) -> bytes:
    """A graph has to have a name."""
    return text(2, "graph") + graph
