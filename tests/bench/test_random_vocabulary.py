"""The recital of random models: what keeps their answers text and their length."""

from random_vocabulary import ANSWERING, EOS, MESSAGE, N_VOCAB, pieces, recital, vocabulary


def test_a_recital_says_every_token_once_and_words_first() -> None:
    tokens, _, _ = vocabulary()
    order = recital(tokens, seed=1)
    assert sorted(order) == list(range(N_VOCAB))
    assert ANSWERING.endswith(tokens[order[0]])
    assert order[1] == MESSAGE
    assert all(tokens[i].lstrip("\u0120").isalpha() for i in order[2:1500])
    assert order.index(EOS) > 1500


def test_tokens_are_unique() -> None:
    tokens, types, _ = vocabulary()
    assert len(tokens) == len(types) == len(set(tokens)) == N_VOCAB


def test_pieces_merge_the_lowest_rank_first() -> None:
    ranks = {"ab": 2, "bc": 1, "abc": 3}
    assert pieces("abc", ranks) == ["abc"]
    assert pieces("abd", ranks) == ["ab", "d"]
    assert pieces("xbc", ranks) == ["x", "bc"]
