"""Train the model: copy warm-up, then the mix of tasks, the learning rate falling to zero.

    python -m tools.tiny_model.train --out RUN --minutes 75

Two processes of one thread each average their gradients (gloo); a single process of two threads is
faster alone but stalls when others use the machine. The schedule follows the clock, so that the
decay is always completed; a number in RUN/minutes changes the plan while it runs.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F

from . import circuit
from .evaluate import report
from .harmony_text import answer_text, message_text, prefix_text
from .model import Batch, Model, Shape
from .optimizer import Optimizer
from .rows import RowMaker
from .scenes import samples
from .tokenizer import Vocabulary


@dataclass(frozen=True)
class Plan:
    """What one run does; shares are of its time."""

    out: Path
    minutes: float
    seed: int = 1
    world: int = 2
    tokens: int = 2400
    warm_up: int = 100
    short_share: float = 0.12
    ramp_share: float = 0.4
    exact_share: float = 0.4
    decay_share: float = 0.5
    muon_lr: float = 0.015
    adam_lr: float = 0.004
    resume: bool = False
    port: int = 29_511


def vocabulary_texts(seed: int = 7) -> list[str]:
    """Texts to learn the vocabulary from; the counts make every number to 200 one token."""
    r, out = Random(seed), []
    for _ in range(1500):
        for s in samples(r)[:4]:
            out.append(" ".join(m.text for m in s.messages) + " " + answer_text(s.answer))
            out.extend(message_text(m) for m in s.messages[-1:])
        out.append(prefix_text(s.setting))
    plain = [t.replace("<|", " ").replace("|>", " ") for t in out]
    return plain + [" ".join(str(i) for i in range(201))] * 60


def clock(plan: Plan, began: float) -> float:
    """Share of the planned time that has passed."""
    changed = plan.out / "minutes"
    minutes = float(changed.read_text()) if changed.exists() else plan.minutes
    return min(1.0, (time.time() - began) / 60 / minutes)


def rates(plan: Plan, step: int, done: float) -> tuple[float, float]:
    """Learning-rate scale, and the further scale of the early attention."""
    if plan.resume:
        return min(1.0, (step + 1) / 50) * min(1.0, (1 - done) / 0.9), 1.0
    scale = min(1.0, (step + 1) / 60) * min(1.0, (1 - done) / plan.decay_share)
    if step < plan.warm_up:
        return scale, 0.25
    return scale, min(1.0, 0.25 + 0.75 * done / plan.ramp_share)


def draw(plan: Plan, maker: RowMaker, step: int, done: float) -> Batch:
    """The batch for a step: copies, then short rows, then more and more long ones."""
    if step < plan.warm_up and not plan.resume:
        return maker.copies(plan.tokens)
    if done < plan.short_share and not plan.resume:
        return maker.batch(plan.tokens, 0.0, 420)
    return maker.batch(plan.tokens, 0.08 if plan.resume else 0.02 if done < 0.5 else 0.05)


def start(plan: Plan) -> tuple[Model, Vocabulary, Optimizer]:
    """A new model with the circuit, or the saved one."""
    torch.manual_seed(plan.seed)
    vocabulary = Vocabulary.load(plan.out / "vocabulary.txt")
    model = Model(Shape(vocabulary.size))
    circuit.install(model)
    optimizer = Optimizer(model, plan.muon_lr, plan.adam_lr)
    if plan.resume:
        saved = torch.load(plan.out / "model.pt")
        model.load_state_dict(saved["model"])
        optimizer.restore(saved["optimizer"])
    return model, vocabulary, optimizer


def save(plan: Plan, model: Model, optimizer: Optimizer) -> None:
    """Write the checkpoint by rename."""
    part = plan.out / "model.part"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state()}, part)
    part.rename(plan.out / "model.pt")


def tell(plan: Plan, line: str) -> None:
    """One line to the terminal and the log."""
    print(line, flush=True)
    with (plan.out / "log.txt").open("a") as log:
        log.write(line + "\n")


def update(
    model: Model, optimizer: Optimizer, batch: Batch, exact: bool, scales: tuple[float, float]
) -> float:
    """One step on one batch; returns its loss."""
    logits, balance = model(batch, quantised=exact)
    loss = F.cross_entropy(logits, batch.labels)
    for p in optimizer.params:
        p.grad = None
    (loss + 0.01 * balance).backward()
    optimizer.average()
    optimizer.step(*scales)
    return float(loss.detach())


def work(rank: int, plan: Plan) -> None:
    """One process of the run."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if plan.world > 1:
        address = f"tcp://127.0.0.1:{plan.port}"
        dist.init_process_group("gloo", address, rank=rank, world_size=plan.world)
    model, vocabulary, optimizer = start(plan)
    maker = RowMaker(vocabulary, plan.seed * 1000 + rank + (500 if plan.resume else 0))
    began, step, seen, mean, told = time.time(), 0, 0, 0.0, time.time()
    shared = torch.zeros(1)
    while True:
        if rank == 0:
            shared[0] = clock(plan, began)
        if plan.world > 1:
            dist.broadcast(shared, 0)
        done = float(shared)
        if done >= 1:
            break
        batch = draw(plan, maker, step, done)
        exact = plan.resume or done > plan.exact_share
        now = update(model, optimizer, batch, exact, rates(plan, step, done))
        step, seen = step + 1, seen + len(batch.ids)
        mean = now if step == 1 else 0.97 * mean + 0.03 * now
        if rank == 0 and step % 50 == 0:
            speed = seen / (time.time() - began)
            tell(plan, f"{done:.3f} step {step} loss {mean:.4f} {speed:.0f} tok/s {seen} tokens")
        if rank == 0 and time.time() - told > 240:
            save(plan, model, optimizer)
            tell(plan, f"  held out: {report(model, vocabulary, 60, exact)}")
            told = time.time()
    if rank == 0:
        save(plan, model, optimizer)
        tell(plan, f"end, step {step}: {report(model, vocabulary, 300, True)}")


def main() -> None:
    """Read the command line and start the processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="go on from RUN/model.pt (phase 2)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies both learning rates")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if not (args.out / "vocabulary.txt").exists():
        Vocabulary.learn(vocabulary_texts()).save(args.out / "vocabulary.txt")
    plan = Plan(
        args.out,
        args.minutes,
        args.seed,
        args.processes,
        muon_lr=0.015 * args.scale,
        adam_lr=0.004 * args.scale,
        resume=args.resume,
    )
    if plan.world == 1:
        work(0, plan)
    else:
        mp.spawn(work, (plan,), plan.world)


if __name__ == "__main__":
    main()
