"""A radix tree over token ids: which stored sequences are prefixes of another one. Knows nothing of
what is stored under them.

A path is ids as bytes, four each (`pack`), so that comparing is the C library's work.
"""

from array import array
from collections.abc import Sequence as Row
from typing import Generic, TypeVar

T = TypeVar("T")
ID_BYTES = 4


def pack(tokens: Row[int]) -> bytes:
    """Ids as a path."""
    return array("i", tokens).tobytes()


def common(first: bytes, second: bytes) -> int:
    """Bytes of the longest common prefix of two paths, in whole ids."""
    low, high = 0, min(len(first), len(second))
    if first[:high] == second[:high]:
        return high
    # Equal up to `low`, different before `high`.
    while high - low > ID_BYTES:
        middle = low + (high - low) // (2 * ID_BYTES) * ID_BYTES
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle
    return low


class RadixTree(Generic[T]):
    """Values by path. An empty path can hold none."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node(b"")

    def __bool__(self) -> bool:
        """Whether it holds any value."""
        return bool(self._root.children)

    def get(self, path: bytes) -> T | None:
        """The value at exactly this path."""
        nodes = self._walk(path)
        return nodes[-1].value if _depth(nodes) == len(path) else None

    def prefixes(self, path: bytes) -> list[tuple[int, T]]:
        """Every value whose path begins this one, with its length in bytes; shortest first."""
        found, depth = [], 0
        for node in self._walk(path):
            depth += len(node.edge)
            if node.value is not None:
                found.append((depth, node.value))
        return found

    def insert(self, path: bytes, value: T) -> None:
        """Put a value at this path, in the place of what was there."""
        nodes = self._walk(path)
        node, rest = nodes[-1], path[_depth(nodes) :]
        if rest:
            child = node.children.get(rest[:ID_BYTES])
            if child is not None:
                # It begins like the rest but goes on differently: part it where they differ.
                node = node.part(child, common(child.edge, rest))
                rest = rest[len(node.edge) :]
            if rest:
                node.children[rest[:ID_BYTES]] = node = _Node(rest)
        node.value = value

    def remove(self, path: bytes) -> None:
        """Forget the value at this path; harmless where there is none."""
        nodes = self._walk(path)
        if _depth(nodes) < len(path):
            return
        nodes[-1].value = None
        while len(nodes) > 1 and nodes[-1].value is None and not nodes[-1].children:
            leaf = nodes.pop()
            del nodes[-1].children[leaf.edge[:ID_BYTES]]
        if len(nodes) > 1 and nodes[-1].value is None and len(nodes[-1].children) == 1:
            nodes[-1].absorb()

    def _walk(self, path: bytes) -> "list[_Node[T]]":
        """The nodes whose edges together begin the path, from the root down."""
        nodes, depth = [self._root], 0
        while child := nodes[-1].children.get(path[depth : depth + ID_BYTES]):
            end = depth + len(child.edge)
            if path[depth:end] != child.edge:
                break
            nodes.append(child)
            depth = end
        return nodes


class _Node(Generic[T]):
    """`edge` is the path from the parent; children are found by their edge's first id."""

    __slots__ = ("children", "edge", "value")

    def __init__(self, edge: bytes) -> None:
        self.edge = edge
        self.children: dict[bytes, _Node[T]] = {}
        self.value: T | None = None

    def part(self, child: "_Node[T]", size: int) -> "_Node[T]":
        """Put a node into the edge to this child, after `size` bytes."""
        middle: _Node[T] = _Node(child.edge[:size])
        self.children[middle.edge[:ID_BYTES]] = middle
        child.edge = child.edge[size:]
        middle.children[child.edge[:ID_BYTES]] = child
        return middle

    def absorb(self) -> None:
        """Become one with the only child."""
        (child,) = self.children.values()
        self.edge += child.edge
        self.children, self.value = child.children, child.value


def _depth(nodes: "list[_Node[T]]") -> int:
    return sum(len(node.edge) for node in nodes)
