"""Decode Huffman-coded strings a byte at a time (RFC 7541 section 5.2 and appendix B).

The codes make a tree. What a byte does in a node of the tree (which characters it ends, where it leads) is worked out
when it happens for the first time, and is known from then on: there are 256 nodes, so at most 65,536 such steps.
"""

from __future__ import annotations

from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

_END_OF_STRING = 256
_PADDING = 7  # most bits, all of them 1

# A node is a pair of numbers, for the bits 0 and 1: above 0 another node, below 0 a character, as its complement.
_nodes: list[list[int]] = [[0, 0]]
for _character, (_code, _length) in enumerate(zip(REQUEST_CODES, REQUEST_CODES_LENGTH, strict=True)):
    _at = 0
    for _place in range(_length - 1, -1, -1):
        _bit = _code >> _place & 1
        if not _place:
            _nodes[_at][_bit] = ~_character
        elif not _nodes[_at][_bit]:
            _nodes.append([0, 0])
            _nodes[_at][_bit] = len(_nodes) - 1
        _at = _nodes[_at][_bit]

# The nodes in which a string may end: after whole characters, and up to seven bits of padding.
_ends = {0}
_at = 0
for _ in range(_PADDING):
    _at = _nodes[_at][1]
    _ends.add(_at)

# By node and byte: the characters that end, and the next node, or -1 for what is no code.
_steps: dict[int, tuple[bytes, int]] = {}


def decoded(data: bytes) -> bytes | None:
    """Decode a string; None if it is wrong."""
    node, parts, known = 0, [], _steps.get
    for byte in data:
        step = known(node << 8 | byte) or _step(node, byte)
        part, node = step
        if node < 0:
            return None
        if part:
            parts.append(part)
    return b"".join(parts) if node in _ends else None


def _step(node: int, byte: int) -> tuple[bytes, int]:
    key, characters = node << 8 | byte, bytearray()
    for place in range(7, -1, -1):
        following = _nodes[node][byte >> place & 1]
        if following >= 0:
            node = following
            continue
        if ~following == _END_OF_STRING:
            node = -1
            break
        characters.append(~following)
        node = 0
    _steps[key] = bytes(characters), node
    return _steps[key]
