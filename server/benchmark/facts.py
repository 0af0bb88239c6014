"""From what was observed to the facts that limits are concluded from, and how all of it is told."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from server.benchmark.figures import Rounds, Speeds
from server.benchmark.limits import Facts, Limit, limits
from server.doctor import engine
from server.hub.progress import amount
from server.machine import Machine, Process
from server.worker.survey import Survey, SurveyedModel

# A turn of a bot: what is new of its prompt, and what is thought and written.
TURN_PROMPT, TURN_TOKENS = 200, 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """`what` was measured, in words, and how it was loaded, `notes`. `survey` and `worker` are None
    for a machine elsewhere. `known_cpu_s`: processor time of the worker and of who measured.
    `loaded`: for this; else the survey's placement is that of a second copy, and none that is.
    """

    what: str
    notes: tuple[str, ...]
    loaded: bool
    speeds: Speeds
    survey: Survey | None
    worker: Process | None
    known_cpu_s: float
    threads: int
    granted_cpus: int
    machine: Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    observed: Observed
    facts: Facts
    limits: tuple[Limit, ...]


def outcome(observed: Observed) -> Outcome:
    facts = facts_of(observed)
    return Outcome(observed=observed, facts=facts, limits=tuple(limits(facts)))


def facts_of(observed: Observed) -> Facts:
    """Of a machine elsewhere the speeds alone."""
    speeds = observed.speeds
    known = Facts(
        prompt_per_s=speeds.prompt.median,
        alone_per_s=speeds.alone.median,
        together_per_s=speeds.together.median if speeds.together else 0.0,
        streams=speeds.streams,
        spread=max(speeds.prompt.spread, speeds.alone.spread),
    )
    if observed.survey is None:
        return known
    # Where the model of a running server lies, with a card here, is not known.
    if observed.loaded or not observed.survey.cards:
        known = _with_model(known, observed.survey)
    return _with_machine(known, observed, observed.survey)


def _with_model(known: Facts, survey: Survey) -> Facts:
    model = survey.model or SurveyedModel()
    return replace(
        known,
        bandwidth=survey.bandwidth,
        weight_bytes=model.weight_bytes,
        active_bytes=model.active_bytes,
        kv_bytes=model.kv_bytes,
        layers=model.layers,
        gpu_layers=model.gpu_layers,
        repack=model.repack,
        available_bytes=survey.available_bytes or 0,
    )


def _with_machine(known: Facts, observed: Observed, survey: Survey) -> Facts:
    machine, activity = observed.machine, observed.speeds.activity
    processors_s = max(observed.speeds.seconds * observed.granted_cpus, 1e-9)
    others_s = max(activity.busy_s - observed.known_cpu_s, 0.0)
    return replace(
        known,
        threads=observed.threads,
        granted_cpus=observed.granted_cpus,
        cores=machine.cores,
        unused_features=tuple(engine.unused(survey.features, machine)),
        card_without_build=machine.nvidia_driver and not survey.gpu_build,
        reread_a_token=activity.disk_bytes / max(observed.speeds.tokens, 1),
        swapped_bytes=observed.worker.swapped if observed.worker else 0,
        stolen=activity.stolen_s / processors_s,
        throttled=activity.throttled_s / processors_s,
        others=others_s / max(observed.speeds.seconds, 1e-9),
    )


def text_of(found: Outcome) -> str:
    """For people."""
    lines = [*_head(found), "", *_speeds(found), "", "What limits it:"]
    lines += [f"- {limit}" for limit in found.limits] or ["- nothing that this finds"]
    return "\n".join(lines) + "\n"


def object_of(found: Outcome) -> dict[str, Any]:
    """For programs: speeds in tokens a second, sizes in bytes, times in seconds."""
    speeds = found.observed.speeds
    named = {
        "prompt_per_s": speeds.prompt,
        "alone_per_s": speeds.alone,
        "together_per_s": speeds.together,
        "first_s": speeds.first_s,
    }
    return {
        "what": found.observed.what,
        "rounds": {name: each.values if each else () for name, each in named.items()},
        "turn_s": turn_s(found.facts),
        "resident_bytes": found.observed.worker.resident if found.observed.worker else 0,
        "facts": asdict(found.facts),
        "limits": [asdict(limit) for limit in found.limits],
    }


def turn_s(facts: Facts) -> float:
    """Seconds for a bot's turn of a usual size; 0 where a speed is not known."""
    if not facts.prompt_per_s or not facts.alone_per_s:
        return 0.0
    return TURN_PROMPT / facts.prompt_per_s + TURN_TOKENS / facts.alone_per_s


def _head(found: Outcome) -> Iterator[str]:
    yield found.observed.what
    if found.observed.survey is not None:
        machine, facts = found.observed.machine, found.facts
        yield f"{machine.processor}, {facts.threads} threads on {facts.granted_cpus} processors"
    yield from found.observed.notes


def _speeds(found: Outcome) -> Iterator[str]:
    speeds, facts = found.observed.speeds, found.facts
    yield _line("reading prompts", speeds.prompt, "tokens/s")
    yield _line("one answer alone", speeds.alone, "tokens/s")
    if speeds.together:
        each = f"tokens/s together, {speeds.together.median / speeds.streams:.3g} each"
        yield _line(f"{speeds.streams} answers at once", speeds.together, each)
    yield _line("first text of a short question", speeds.first_s, "s")
    turn = f"{TURN_PROMPT} new tokens of a prompt and {TURN_TOKENS} written"
    yield f"{'a turn of a bot':32}about {turn_s(facts):.3g} s ({turn})"
    if found.observed.worker:
        yield f"{'memory of the model':32}{amount(found.observed.worker.resident)}"


def _line(name: str, rounds: Rounds, unit: str) -> str:
    noise = f"median of {rounds.count}, which differ by {rounds.spread:.0%}"
    noise = noise if rounds.count > 1 else "measured once"
    return f"{name:32}{rounds.median:.3g} {unit} ({noise})"
