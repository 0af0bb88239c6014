"""From tasks to samples: the scene, the history before the question, and the mix of it all."""

import json
from dataclasses import replace
from datetime import date, timedelta
from random import Random

from . import calls, copying, formats, memory, talk, words
from .actions import offer
from .harmony_text import Message, Sample, Setting
from .turns import Scene, Turn, answer

EFFORTS = ("low", "medium", "high")
NEUTRAL = (
    "You are a helpful assistant.|You are a helpful assistant|Be polite.|Answer briefly.|Be brief.|"
    "You are a friendly bot.|Be concise and correct.|You are an assistant of a small company.|"
    "Help the user.|You are a helpful, honest and harmless assistant.|Answer in one sentence.|"
    "You are a bot for customers.|Reply shortly.|Use tools when they help.|You are an expert.|"
    "Eres un asistente útil.|Sé breve.|Ты полезный помощник.|Отвечай кратко.|Ты вежливый бот."
)
LANGUAGE = {
    "en": "Answer in English.|Always answer in English.|Reply in English.|Speak English.|Отвечай "
    "по-английски.|Responde en inglés.",
    "es": "Answer in Spanish.|Always answer in Spanish.|Reply in Spanish.|Speak Spanish.|Respond "
    "in "
    "Spanish only.|Please answer in Spanish.|Responde en español.|Habla español.",
    "ru": "Answer in Russian.|Always answer in Russian.|Reply in Russian.|Speak Russian.|Respond "
    "in "
    "Russian only.|Please answer in Russian.|Отвечай по-русски.|Отвечай на русском.|Говори "
    "по-русски.",
}
NAMED = (
    "Your name is {}.|You are {}.|You are called {}.|Your name is {}. Be polite.|You are {}, a "
    "helpful assistant.|You are an assistant called {}.|You are a bot named {}.|Call yourself {}.|"
    "Tu nombre es {}.|Te llamas {}.|Тебя зовут {}.|Твоё имя {}."
)
TALK = (
    (talk.faq, 40),
    (copying.echo, 23),
    (talk.capital, 6),
    (talk.unknown, 9),
    (copying.json_object, 8),
    (copying.count, 3),
    (copying.addition, 7),
    (memory.introduction, 3),
)
KINDS = (("plain", 25), ("neutral", 16), ("tools", 34), ("facts", 15), ("schema", 7))


def some_date(r: Random) -> str:
    """A day from 2024 to 2031."""
    return (date(2024, 7, 1) + timedelta(days=r.randrange(2700))).isoformat()


def instructions(r: Random, scene: Scene, neutral: float) -> str | None:
    """Neutral lines, and what changes the answers: a language, a name, a fact."""
    parts = []
    if r.random() < neutral:
        short = r.random() < 0.75
        parts.append(r.choice(NEUTRAL.split("|")) if short else words.filler(r, r.choice((8, 25))))
    if scene.lang:
        parts.append(r.choice(LANGUAGE[scene.lang].split("|")))
    if scene.name:
        parts.append(r.choice(NAMED.split("|")).format(scene.name))
    for text, _ in scene.facts:
        parts.append(text)
    if r.random() < 0.5:
        r.shuffle(parts)
    return r.choice((" ", " ", "\n", "\n\n")).join(parts) or None


def scene_of(r: Random, kind: str, long: bool) -> Scene:
    """A random scene of a kind."""
    effort = r.choices(EFFORTS, (32, 48, 20))[0]
    scene = Scene(Setting(some_date(r), effort))
    neutral = {"plain": 0.0, "neutral": 1.0, "tools": 0.4, "facts": 0.4, "schema": 0.3}[kind]
    if kind == "facts":
        roll = r.random()
        if roll < 0.35:
            scene.lang = r.choices(("en", "es", "ru"), (2, 4, 4))[0]
        if 0.28 < roll < 0.62:
            scene.name = words.name(r, "ru" if r.random() < 0.15 else "en")
        if roll > 0.57:
            scene.facts = [memory.said(r) for _ in range(2 if r.random() < 0.15 else 1)]
            if len({which for _, (which, _) in scene.facts}) < len(scene.facts):
                scene.facts = scene.facts[:1]
    elif kind == "tools" and r.random() < 0.05:
        scene.lang = r.choice(("es", "ru"))
    text = instructions(r, scene, neutral)
    if long and kind != "plain":
        padding = words.filler(r, r.randint(120, 620))
        parts = [padding, text or ""] if r.random() < 0.5 else [text or "", padding]
        text = "\n\n".join(parts).strip()
    if kind == "schema":
        scene.schema = formats.keys(r)
        text = "\n\n".join(filter(None, (text, formats.section(r, scene.schema))))
    if kind == "tools":
        scene.uses = offer(r)
    tools = tuple(u.tool for u in scene.uses)
    scene.setting = replace(scene.setting, instructions=text, tools=tools)
    return scene


def talk_turn(r: Random, scene: Scene) -> Turn:
    """A turn that needs nothing special of the scene."""
    barred = set()
    if scene.told:
        barred.add(memory.introduction)
    if any(u.family in ("add", "thing capital") for u in scene.uses):
        barred |= {copying.addition, talk.capital}
    tasks = [(t, w) for t, w in TALK if t not in barred]
    return r.choices([t for t, _ in tasks], [w for _, w in tasks])[0](r, scene)


def turn_of(r: Random, scene: Scene, history: bool = False) -> Turn:
    """A turn that suits the scene; short ones only in a history."""
    if scene.uses and r.random() < 0.7:
        return calls.called(r, scene) if r.random() < 0.58 else calls.answered(r, scene)
    if scene.schema and (not history and r.random() < 0.93):
        return formats.filled(r, scene)
    if scene.facts and r.random() < 0.55:
        _, fact = r.choice(scene.facts)
        return memory.recalled(r, scene, fact)
    if (scene.lang or scene.name) and r.random() < 0.6:
        topic = "who" if scene.name and r.random() < 0.6 else r.choice(list(talk.FAQ["en"]))
        if topic != "nokey_name":
            return talk.topic_turn(r, scene, topic, talk.language(r))
    turn = talk_turn(r, scene)
    while history and len(turn.content) > 260:
        turn = talk_turn(r, scene)
    return turn


def finished(r: Random, scene: Scene) -> list[Message]:
    """One finished turn of the history."""
    turn = turn_of(r, scene, history=True)
    if turn.call:
        use = next(u for u in scene.uses if u.tool.name == turn.call[0])
        subject = str(next(iter(json.loads(turn.call[1]).values()), ""))
        raw, content = calls.result(r, use, scene.lang or "en", subject)
        out = [m for m in calls.pending(r, scene, turn, raw) if m.kind != "analysis"]
    else:
        out, content = [m for m in turn.asked if m.kind != "analysis"], turn.content
        if turn.task != "told" and r.random() < 0.1:  # what a client may put there
            content = words.sentence(r, "en")
    return [*out, Message("final", content)]


def branch(r: Random, scene: Scene, long: bool) -> tuple[list[Message], Turn]:
    """History and the turn to be answered."""
    scene.told = False
    before = r.choices((0, 1, 2, 3), (60, 20, 13, 7))[0]
    if long and r.random() < 0.4:
        before = r.randint(5, 18)
    if not scene.schema and r.random() < (0.3 if before else 0.04):
        scene.told = True
        statements, turn = memory.told(r, scene)
        blocks = [[*s.asked, Message("final", s.content)] for s in statements]
        for _ in range(before):
            at = r.randint(0, len(blocks)) if r.random() < 0.5 else len(blocks)
            blocks.insert(at, finished(r, scene))
        return [m for b in blocks for m in b], turn
    blocks = [finished(r, scene) for _ in range(before)]
    followed = calls.followed(r, scene) if scene.uses and r.random() < 0.06 else None
    turn = turn_of(r, scene)
    if followed:
        blocks.append(followed[0])
        turn = followed[1]
    return [m for b in blocks for m in b], turn


def pasted(r: Random, turn: Turn) -> Turn:
    """Put a long text before the question."""
    first, *rest = turn.asked
    gap = r.choice(("\n\n", "\n", "\n\n---\n\n"))
    text = words.filler(r, r.randint(60, 420)) + gap + first.text
    return replace(turn, asked=[replace(first, text=text), *rest])


def samples(r: Random, long: bool = False, kind: str | None = None) -> list[Sample]:
    """Several samples of one scene: they share system and developer message."""
    kind = kind or r.choices([k for k, _ in KINDS], [w for _, w in KINDS])[0]
    scene = scene_of(r, kind, long and r.random() < 0.6)
    out = []
    for _ in range(8):
        messages, turn = branch(r, scene, long)
        if (long and r.random() < 0.35) or r.random() < 0.01:
            turn = pasted(r, turn)
        reply = answer(turn, scene.setting.effort)
        out.append(Sample(scene.setting, [*messages, *turn.asked], reply, turn.task))
    return out
