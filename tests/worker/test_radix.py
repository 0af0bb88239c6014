"""The tree against a dict that is searched through."""

from hypothesis import given, settings
from hypothesis import strategies as st

from server.worker.radix import RadixTree, common, pack

# Few ids, so that paths share beginnings; wide ones, so that half an id in common shows.
IDS = st.sampled_from([0, 1, 2, 256, 65536, 200_000])
PATHS = st.lists(IDS, min_size=1, max_size=12).map(tuple)
ACTIONS = st.lists(st.tuples(st.booleans(), PATHS), max_size=40)


@settings(max_examples=300, deadline=None)
@given(ACTIONS, st.lists(PATHS, max_size=5))
def test_it_holds_what_a_dict_would(
    actions: list[tuple[bool, tuple[int, ...]]], sought: list[tuple[int, ...]]
) -> None:
    tree: RadixTree[int] = RadixTree()
    held: dict[tuple[int, ...], int] = {}
    for number, (inserts, path) in enumerate(actions):
        if inserts:
            tree.insert(pack(path), number)
            held[path] = number
        else:
            tree.remove(pack(path))
            held.pop(path, None)
    assert bool(tree) == bool(held)
    for path in [*sought, *(path for _, path in actions)]:
        assert tree.get(pack(path)) == held.get(path)
        prefixes = [path[:end] for end in range(1, len(path) + 1)]
        expected = [(4 * len(each), held[each]) for each in prefixes if each in held]
        assert tree.prefixes(pack(path)) == expected


@given(st.lists(IDS), st.lists(IDS), st.lists(IDS))
def test_common_is_the_longest_common_prefix(
    begin: list[int], first: list[int], second: list[int]
) -> None:
    first, second = begin + first, begin + second
    length = 0
    while length < min(len(first), len(second)) and first[length] == second[length]:
        length += 1
    assert common(pack(first), pack(second)) == 4 * length


def test_a_tree_that_was_emptied_has_no_nodes_left() -> None:
    tree: RadixTree[str] = RadixTree()
    paths = [pack(path) for path in ([1, 2, 3], [1, 2], [1, 2, 4, 5], [7])]
    for path in paths:
        tree.insert(path, "x")
    for path in paths:
        tree.remove(path)
    assert not tree._root.children
