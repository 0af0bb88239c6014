"""Prompts and summaries of the load generator."""

from chat_client import Answer
from load import Prompts, summarise


def answered(started: float, arrivals: list[float], tokens: int) -> Answer:
    usage = {"prompt_tokens": 10, "completion_tokens": tokens}
    return Answer(started, ended=arrivals[-1], arrivals=arrivals, usage=usage)


def test_the_same_salt_and_name_give_the_same_text() -> None:
    assert Prompts("a").text(20, "x") == Prompts("a").text(20, "x")
    assert Prompts("a").text(20, "x") != Prompts("b").text(20, "x")
    assert Prompts("a").text(20, "x") != Prompts("a").text(20, "y")


def test_lengths_follow_the_tokens_a_word() -> None:
    assert len(Prompts("a", 2.0).text(100, "x").split()) == 50


def test_a_summary_spans_all_chats() -> None:
    summary = summarise([answered(0, [1, 2, 5], 3), answered(1, [4, 6], 2)])
    assert summary.span_s == 6
    assert summary.output_per_s == 5 / 6
    assert (summary.first_median_s, summary.first_max_s) == (2, 3)
    assert (summary.gap_median_s, summary.gap_max_s) == (2, 3)
    assert summary.prompt_tokens == 20
