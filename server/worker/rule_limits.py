"""What of a request's constraints is refused before it runs: ids that do not exist, sizes that
would burden everybody, rules that could go round in circles. Reads no grammar.
"""

from collections.abc import Iterator

from server.worker.messages import Budget, Grammar, Minimum, Rule, Submit

MOST_RULES = 4096
LONGEST_IDS = 4096
MOST_IDS = 1 << 16
MOST_GRAMMAR_BYTES = 1 << 20


def constraints_fault(submit: Submit, vocabulary_size: int) -> str | None:
    """What is wrong with the rules, the budget, the minimum or the stop ids, in one sentence."""
    if len(submit.rules) > MOST_RULES:
        return f"There are {len(submit.rules)} rules; at most {MOST_RULES} are taken."
    fault = _ids_fault(submit, vocabulary_size)
    fault = fault or _grammars_fault(submit, vocabulary_size)
    fault = fault or _numbers_fault(submit.budget, submit.minimum)
    return fault or next(filter(None, map(_rule_fault, submit.rules)), None)


def grammars(submit: Submit) -> Iterator[Grammar]:
    """The grammars of text in its rules."""
    return (grammar for grammar in _grammars(submit) if grammar.kind != "choice")


def _grammars(submit: Submit) -> Iterator[Grammar]:
    return (rule.grammar for rule in submit.rules if rule.grammar is not None)


def _ids_fault(submit: Submit, vocabulary_size: int) -> str | None:
    total = 0
    for name, ids in _id_lists(submit):
        total += len(ids)
        if len(ids) > LONGEST_IDS:
            return f"{name} has {len(ids)} ids; at most {LONGEST_IDS} are taken."
        for token in ids:
            if not 0 <= token < vocabulary_size:
                return (
                    f"{name} names token {token}, but the vocabulary ends at {vocabulary_size - 1}."
                )
    if total > MOST_IDS:
        return f"The rules have {total} ids in all; at most {MOST_IDS} are taken."
    return None


def _id_lists(submit: Submit) -> Iterator[tuple[str, list[int]]]:
    yield "stop_ids", submit.stop_ids
    for rule in submit.rules:
        yield "A rule's suffix", rule.suffix
        yield "What a rule forces", rule.force
    for grammar in _grammars(submit):
        for choice in grammar.choices:
            yield "A choice", choice
    if budget := submit.budget:
        yield "The budget's begin", budget.begin
        yield "The budget's end", budget.end
        yield "What the budget forces", budget.force
    if submit.minimum:
        yield "The minimum's after", submit.minimum.after


def _grammars_fault(submit: Submit, vocabulary_size: int) -> str | None:
    texts = set()
    for grammar in _grammars(submit):
        texts.add(grammar.text)
        if grammar.kind == "choice" and not grammar.choices:
            return "A grammar offers no choices; give one at least."
        if not 0 <= grammar.end < vocabulary_size:
            return (
                f"A grammar ends with token {grammar.end}, but the vocabulary ends at"
                f" {vocabulary_size - 1}."
            )
    size = sum(len(text.encode()) for text in texts)
    if size > MOST_GRAMMAR_BYTES:
        return f"The grammars take {size} bytes; at most {MOST_GRAMMAR_BYTES} are taken."
    return None


def _numbers_fault(budget: Budget | None, minimum: Minimum | None) -> str | None:
    if budget and budget.tokens < 0:
        return f"The budget has {budget.tokens} tokens; it needs 0 or more."
    if minimum and minimum.tokens < 0:
        return f"The minimum is {minimum.tokens} tokens; it must be 0 or more."
    return None


def _rule_fault(rule: Rule) -> str | None:
    if rule.instead and not rule.suffix:
        return "A rule at the start of the answer has no token to replace."
    if rule.instead and not rule.force:
        # The same token would be drawn again and again.
        return "A rule that replaces a token must force at least one."
    return None
