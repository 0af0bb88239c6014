#!/usr/bin/env python3
"""Writes what comparisons measured into docs/performance.md: a section and a picture for every file
in bench/results. Measures nothing itself.

    bench/report

What stands between the two `results` comments of that document is replaced, the rest is left.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from processes import ROOT
from targets import BARE, OURS, THEIRS, judge

DOCUMENT = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "bench" / "results"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"
# The pictures: a title, and what stands in it by scenario and name.
FIRST = (
    "time to first token, seconds",
    "first_median_s",
    (
        "single",
        "shared_cold",
        "shared_warm",
        "turn1",
        "turn2",
        "turn3",
        "mixed_latecomer",
        "known",
        "recalled",
    ),
)
OUTPUT = (
    "output tokens a second, all streams",
    "output_per_s",
    ("single", "conc4", "conc16"),
)
PAUSE = ("longest pause of a stream, seconds", "gap_max_s", ("conc4", "mixed_runners"))
PANELS = (FIRST, OUTPUT, PAUSE)
Record = Mapping[str, Any]


def section(record: Record, picture: str) -> str:
    """A comparison as Markdown."""
    machine = ", ".join(f"{name} {value}" for name, value in record["machine"].items())
    rounds = record["rounds"]
    gigabytes = record["size_bytes"] / 1e9
    parts = (
        f"### `{record['model']}`, {gigabytes:.2f} GB",
        f"{record['date']}, llama.cpp {record['llama.cpp']}, {record['threads']} threads, medians "
        f"of {len(rounds)} rounds. Machine: {machine}. Cores kept busy by other programs: at most "
        f"{max(record['busy_elsewhere'])}.",
        targets_table(rounds),
        f"![{record['model']}]({picture})",
        numbers_table(rounds),
    )
    return "\n\n".join(part for part in parts if part)


def targets_table(rounds: Sequence[Any]) -> str:
    lines = ["| | target | measured | rounds | |", "|---|---|---|---|---|"]
    for row in judge(rounds):
        values = ", ".join(f"{value:.3g}" for value in row.values)
        mark = "met" if row.met else "**missed**"
        wanted = row.target.wanted.replace("<=", "≤").replace(">=", "≥")
        lines.append(f"| {row.target.text} | {wanted} | {row.median:.3g} | {values} | {mark} |")
    return "\n".join(lines)


def numbers_table(rounds: Sequence[Any]) -> str:
    """Every scenario's medians, ours and theirs."""
    lines = [
        "| scenario | server | prompt tokens | of them cached | output tokens "
        "| output tokens/s | first token, median s | longest pause s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for scenario in scenarios(rounds):
        for server in (OURS, THEIRS):
            seen = [r[server][scenario] for r in rounds if scenario in r.get(server, {})]
            if seen:
                lines.append(f"| {scenario} | {server} | {_cells(seen)} |")
    for name in ("prompt_per_s", "generation_per_s"):
        rates = [r[BARE]["speed"][name] for r in rounds if BARE in r]
        if rates:
            lines.append(f"| {name.replace('_', ' ')} | {BARE} | | | | {median(rates):.4g} | | |")
    return "\n".join(lines)


def scenarios(rounds: Sequence[Any]) -> list[str]:
    """The names of all scenarios measured, in order, each once."""
    names = (name for r in rounds for name in (*r.get(OURS, {}), *r.get(THEIRS, {})))
    return [name for name in dict.fromkeys(names) if name != "gateway"]


def _cells(seen: Sequence[Record]) -> str:
    counts = ("prompt_tokens", "cached_tokens", "output_tokens")
    measures = ("output_per_s", "first_median_s", "gap_max_s")
    cells = [f"{median(one[name] for one in seen):.0f}" for name in counts]
    return " | ".join(cells + [f"{median(one[name] for one in seen):.3g}" for name in measures])


def draw(record: Record, path: Path) -> None:
    """Bars of both servers, a panel a question."""
    # Only who draws needs it.
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "gpt-api"
    figure, axes = pyplot.subplots(1, len(PANELS), figsize=(14, 3.6), layout="constrained")
    for axis, (title, name, wanted) in zip(axes, PANELS, strict=True):
        for offset, server in ((0.2, OURS), (-0.2, THEIRS)):
            bars = list(_bars(record["rounds"], server, name, wanted))
            rows = [-wanted.index(scenario) + offset for scenario, _ in bars]
            drawn = axis.barh(rows, [value for _, value in bars], height=0.38, label=server)
            axis.bar_label(drawn, fmt="%.3g", padding=2, fontsize=8)
        axis.set_yticks([-n for n in range(len(wanted))], wanted)
        axis.set_title(title, fontsize=10)
        axis.margins(x=0.15)
    axes[0].legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _bars(
    rounds: Sequence[Any], server: str, name: str, wanted: Sequence[str]
) -> Iterator[tuple[str, float]]:
    for scenario in wanted:
        seen = [r[server][scenario][name] for r in rounds if scenario in r.get(server, {})]
        if seen:
            yield scenario, median(seen)


def insert(document: str, sections: Sequence[str]) -> str:
    """The document with these sections between its comments."""
    before, _, rest = document.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{DOCUMENT} lacks the lines {BEGIN} and {END}")
    return "\n\n".join((before + BEGIN, *sections, END + after))


def main() -> None:
    sections = []
    for path in sorted(RESULTS.glob("*.json")):
        record = json.loads(path.read_text())
        picture = DOCUMENT.parent / f"performance-{path.stem}.svg"
        draw(record, picture)
        sections.append(section(record, picture.name))
    DOCUMENT.write_text(insert(DOCUMENT.read_text(), sections))
    print(f"{DOCUMENT}: {len(sections)} comparisons")


if __name__ == "__main__":
    main()
