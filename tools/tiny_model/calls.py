# ruff: noqa: RUF001  (Cyrillic is meant)
"""Turns with tools: the call, what the tool said, the answer made from it."""

import json
from random import Random

from . import words
from .actions import generic
from .copying import compact
from .harmony_text import Message
from .toolbox import Use
from .turns import Scene, Turn, language, reasoning, user

CONDITIONS = {
    "en": words.listed("sunny cloudy rainy snowy windy foggy clear stormy"),
    "es": words.listed("soleado nublado lluvioso nevado ventoso brumoso despejado tormentoso"),
    "ru": words.listed("солнечно облачно дождливо снежно ветрено туманно ясно грозово"),
}
WEATHER_ANSWER = {
    "en": "It is {} degrees and {} in {}.",
    "es": "Hace {} grados y está {} en {}.",
    "ru": "В городе {2} {0} °C, {1}.",
}
TIME_ANSWER = {"en": "It is {} in {}.", "es": "Son las {} en {}.", "ru": "В городе {1} сейчас {0}."}
FOUND = {"en": "I found this: {}", "es": "He encontrado esto: {}", "ru": "Вот что я нашёл: {}"}
RESULT = {"en": "The result is {}.", "es": "El resultado es {}.", "ru": "Результат: {}."}
FAILED = {
    "en": "The tool failed: {}.",
    "es": "La herramienta falló: {}.",
    "ru": "Ошибка инструмента: {}.",
}
AGAIN = {
    "en": "And in {}?|What about {}?|And {}?|How about {}?|And what about {}?|And now in {}?",
    "es": "¿Y en {}?|¿Y {}?",
    "ru": "А в городе {}?|А {}?",
}
ERRORS = "not found|timeout|no such city|invalid argument|service unavailable|permission denied"
PLACES = ("weather", "time")


def loose(r: Random, data: object) -> str:
    """JSON as a tool or a client may write it."""
    return json.dumps(data, ensure_ascii=False) if r.random() < 0.7 else compact(data)


def call_turn(r: Random, use: Use, lang: str) -> tuple[Turn, str]:
    """A question that needs the tool; also the subject of it."""
    question, args, note, subject = use.ask(r, lang)
    if r.random() < 0.07 and not use.family.startswith(("bare", "invented")):
        question, args, note, _ = generic(r, use.tool.name, args)
        subject = str(next(iter(args.values())))
    if r.random() < 0.08 and use.family in PLACES:
        question = question.lower() if lang == "en" else question
        args = {k: v.lower() if lang == "en" else v for k, v in args.items()}
        subject = next(iter(args.values()))
        note = note if lang != "en" else f"the {use.family} in {subject}"
    call = (use.tool.name, compact(args))
    return Turn(user(question), note, f"call {use.tool.name}", call=call, task="call"), subject


def called(r: Random, scene: Scene) -> Turn:
    """A question that needs one of the tools."""
    use = r.choice(scene.uses)
    return call_turn(r, use, ask_language(r, use))[0]


def ask_language(r: Random, use: Use) -> str:
    """Most families are asked for in English only."""
    return language(r) if use.family in (*PLACES, "search", "add") else "en"


def pending(r: Random, scene: Scene, turn: Turn, raw: str) -> list[Message]:
    """The turn, its call and the result, as a client sends them back."""
    name, args = turn.call or ("", "")
    if r.random() < 0.3:
        args = json.dumps(json.loads(args), ensure_ascii=False)
    out = list(turn.asked)
    if r.random() < 0.5:
        thought = reasoning(scene.setting.effort, turn.note, turn.plan)
        out.append(Message("analysis", thought))
    return [*out, Message("call", args, name), Message("result", raw, name)]


def weather_result(r: Random, lang: str, place: str) -> tuple[str, str]:
    """What a weather tool says, and the answer."""
    degrees, at = r.randint(-20, 42), r.randrange(8)
    source = lang if r.random() < 0.3 else "en"
    sky, shown = CONDITIONS[source][at], CONDITIONS[lang][at]
    answer = WEATHER_ANSWER[lang].format(degrees, shown, place)
    roll = r.random()
    if roll < 0.25:
        form = "{} degrees and {}|{} degrees, {}|{}°C and {}|{}C, {}|{} {}|{}°, {}"
        return r.choice(form.split("|")).format(degrees, sky), answer
    condition = r.choice(("condition", "condition", "conditions", "weather", "sky", "description"))
    temperature = r.choice(("temperature", "temperature", "temp", "temp_c", "degrees"))
    data = {temperature: degrees, condition: sky}
    if roll > 0.55:
        data = {r.choice(("location", "city", "place")): place, **data}
    elif roll > 0.45:
        data = {condition: sky, temperature: degrees}
    if r.random() < 0.2:
        data["unit"] = "celsius"
    if r.random() < 0.12:
        data[r.choice(("humidity", "wind"))] = r.randint(1, 99)
    return loose(r, data), answer


def plain_result(r: Random, lang: str) -> tuple[str, str]:
    """A value as text, or as JSON with one key."""
    shown = str(r.randint(0, 9999)) if r.random() < 0.5 else words.phrase(r, "en", 1, 4)
    answer = RESULT[lang].format(shown)
    if r.random() < 0.45:
        return shown, answer
    key = r.choice(("result", "result", "value", "answer", "sum", "status", words.word(r)))
    inner: object = int(shown) if shown.isdigit() and r.random() < 0.8 else shown
    return loose(r, {key: inner}), answer


def result(r: Random, use: Use, lang: str, subject: str) -> tuple[str, str]:
    """Raw output of a tool and the answer in a language."""
    if r.random() < 0.07:
        error = r.choice(ERRORS.split("|")) if r.random() < 0.6 else words.phrase(r, "en", 1, 3)
        return loose(r, {"error": error}), FAILED[lang].format(error)
    if use.family == "weather":
        return weather_result(r, lang, subject)
    if use.family == "time":
        clock = f"{r.randint(0, 23):02}:{r.randint(0, 59):02}"
        data = {r.choice(("time", "time", "local_time", "now")): clock}
        if r.random() < 0.3:
            data = {"city": subject, **data}
        return (
            clock if r.random() < 0.3 else loose(r, data),
            TIME_ANSWER[lang].format(clock, subject),
        )
    if use.family == "search":
        found = words.phrase(r, lang, 1, 8) if r.random() < 0.6 else words.sentence(r, lang)
        raw = found if r.random() < 0.5 else loose(r, {r.choice(("results", "result")): [found]})
        return raw, FOUND[lang].format(found)
    return plain_result(r, lang)


def answered(r: Random, scene: Scene, again: bool = True) -> Turn:
    """A question, its call and its result: now the answer."""
    use = r.choice(scene.uses)
    lang = ask_language(r, use)
    turn, subject = call_turn(r, use, lang)
    if again and use.family == "weather" and r.random() < 0.06:
        return two_places(r, scene, use)
    raw, content = result(r, use, scene.lang or lang, subject)
    asked = pending(r, scene, turn, raw)
    return Turn(asked, turn.note, "use the result", content, task="result")


def two_places(r: Random, scene: Scene, use: Use) -> Turn:
    """The weather in two places: one call after the other, then both in one answer."""
    key = next(iter(use.tool.parameters["properties"])) if use.tool.parameters else "city"
    one, two = words.city(r), words.city(r)
    text = r.choice(("What is the weather in {} and {}?", "Compare the weather in {} and in {}"))
    asked, answers = user(text.format(one, two)), []
    stage, lang = r.randrange(3), scene.lang or "en"
    note = f"the weather in {one} and {two}"
    for place in (one, two)[:stage]:
        raw, said = weather_result(r, lang, place)
        turn = Turn(
            asked, note, f"call {use.tool.name}", call=(use.tool.name, compact({key: place}))
        )
        asked = pending(r, scene, turn, raw)
        answers.append(said)
    if stage == 2:
        return Turn(asked, note, "use the result", " ".join(answers), task="result")
    call = (use.tool.name, compact({key: (one, two)[stage]}))
    return Turn(asked, note, f"call {use.tool.name}", call=call, task="call")


def followed(r: Random, scene: Scene) -> tuple[list[Message], Turn] | None:
    """After a finished weather or time answer: `And in Lima?`; None without such a tool."""
    uses = [u for u in scene.uses if u.family in PLACES]
    if not uses:
        return None
    use = r.choice(uses)
    lang = language(r)
    first, subject = call_turn(r, use, lang)
    raw, content = result(r, use, scene.lang or lang, subject)
    history = [m for m in pending(r, scene, first, raw) if m.kind != "analysis"]
    history.append(Message("final", content))
    place = words.city(r, lang)
    key = next(iter(json.loads((first.call or ("", "{}"))[1])))
    text = r.choice(AGAIN[lang].split("|")).format(place)
    call = (use.tool.name, compact({key: place}))
    note = f"the {use.family} in {place}"
    return history, Turn(user(text), note, f"call {use.tool.name}", call=call, task="call")
