# ruff: noqa: RUF001  (Cyrillic is meant)
"""Answers made from the question: echo, counting, a few sums, JSON."""

import json
from random import Random
from typing import Any

from . import words
from .turns import Scene, Turn, language, user

ECHO = {
    "en": "Repeat after me: |Say exactly: |Repeat: |Repeat this: |Echo: |Say: |Please repeat: |"
    "Repeat exactly: |Repeat the following text: |Say this: |Reply with exactly: |Answer with "
    "exactly: |Reply only with: |Print: |Copy this text: |Repeat this text exactly: |Output: |"
    "Write exactly: |Repeat after me:\n|Please say exactly: |Can you repeat: |Repeat the words: ",
    "es": "Repite: |Repite después de mí: |Di exactamente: |Repite esto: |Di: |Repite este texto: |"
    "Responde exactamente: |Por favor, repite: ",
    "ru": "Повтори: |Повтори за мной: |Скажи точно: |Повтори это: |Скажи: |Повтори текст: |"
    "Ответь точно: |Пожалуйста, повтори: ",
}
BARE = {
    "en": "Say |Just say |Say the word |Reply with |Reply with the word |Answer with |Only say |"
    "Please say |Reply only with |Respond with ",
    "es": "Di |Di la palabra |Responde con |Solo di ",
    "ru": "Скажи |Скажи слово |Ответь |Просто скажи ",
}
SHORT = "OK|ok|yes|no|pong|test|done|ready|PONG|banana|YES|alpha|beta|hi there|good morning|apple"
NUMBERS = {
    "en": "3=three 5=five 10=ten 12=twelve 15=fifteen 20=twenty 30=thirty 50=fifty 100=hundred",
    "es": "3=tres 5=cinco 10=diez 12=doce 15=quince 20=veinte 30=treinta 50=cincuenta 100=cien",
    "ru": "3=трёх 5=пяти 10=десяти 12=двенадцати 15=пятнадцати 20=двадцати 30=тридцати "
    "50=пятидесяти 100=ста",
}
COUNT = {
    "en": "Count from {a} to {n}|Count to {n}|Count from {a} to {n}, please|Please count to {n}|"
    "Can you count to {n}?|Count up to {n}|List the numbers from {a} to {n}|Write the numbers from "
    "{a} to {n}|Please count from {a} to {n}.|Count slowly from {a} to {n}|Count for me to {n}|"
    "Numbers from {a} to {n}|Count from {a} to {n} separated by commas|Count from {a} up to {n}",
    "es": "Cuenta de {a} a {n}|Cuenta del {a} al {n}|Cuenta hasta {n}|Por favor, cuenta hasta {n}|"
    "¿Puedes contar hasta {n}?|Cuenta desde {a} hasta {n}|Escribe los números de {a} a {n}",
    "ru": "Посчитай от {a} до {n}|Посчитай до {n}|Считай до {n}|Считай от {a} до {n}|Сосчитай до "
    "{n}|Досчитай до {n}|Напиши числа от {a} до {n}|Пожалуйста, посчитай до {n}",
}
ONE = {"en": "one", "es": "uno", "ru": "одного"}
SUMS = words.listed(
    "1+1 2+2 3+4 10+5 2+3 5+5 1+2 4+4 3+3 7+8 6+6 5+7 9+9 10+10 8+5 20+22 100+100 12+30 15+27 40+2 "
    "2+5 6+3 1+9 7+3"
)
SUM_ASKED = {
    "en": "What is {}?|What's {}?|{}|{} = ?|{}?|{}=|How much is {}?|Calculate {}|Compute {}|Add up "
    "{}|What does {} make?|Tell me what {} is|Solve {}|What is {} equal to?",
    "es": "¿Cuánto es {}?|¿Cuánto son {}?|Calcula {}|{}|¿Qué es {}?",
    "ru": "Сколько будет {}?|Чему равно {}?|Посчитай {}|{}|Вычисли {}|Сколько {}?",
}
PLUS = {"en": "plus", "es": "más", "ru": "плюс"}
SMALL = {
    "en": words.listed("zero one two three four five six seven eight nine ten"),
    "es": words.listed("cero uno dos tres cuatro cinco seis siete ocho nueve diez"),
    "ru": words.listed("ноль один два три четыре пять шесть семь восемь девять десять"),
}
JSON_ASKED = {
    "en": "Give me a JSON object with {}|Return JSON with {}|Write a JSON object with {}|JSON with "
    "{}|Make a JSON object: {}|Answer in JSON with {}|Reply as JSON: {}|Create a JSON object with "
    "{}|Return a JSON object with {}.|Please give me JSON with {}|I need a JSON object with {}",
    "es": "Dame un objeto JSON con {}|Escribe un JSON con {}|JSON con {}|Devuelve JSON con {}",
    "ru": "Дай JSON с полями {}|Верни JSON: {}|Напиши JSON: {}|JSON: {}|Сделай объект JSON: {}",
}
AND = {"en": " and ", "es": " y ", "ru": " и "}
KEYS = {
    "en": words.listed("name age city color country job title price count id language active word"),
    "es": words.listed("nombre edad ciudad color precio título"),
    "ru": words.listed("имя возраст город цвет цена название"),
}
INTEGERS = {"age", "price", "count", "id", "edad", "precio", "возраст", "цена", "result"}
PEOPLE = {"name", "nombre", "имя"}
PLACES = {"city", "country", "ciudad", "город"}


def value(r: Random, key: str, lang: str) -> Any:
    """A value that suits a key."""
    if key in INTEGERS:
        return r.randint(0, 120) if r.random() < 0.85 else r.randint(100, 9999)
    if key == "active":
        return r.random() < 0.5
    if key in PEOPLE:
        return words.name(r, lang)
    if key in PLACES:
        return words.city(r, lang)
    if key.startswith(("colo", "цвет")):
        return r.choice(words.COLOURS[lang])
    return words.phrase(r, lang, 1, 2) if r.random() < 0.5 else words.invented(r, lang)


def compact(data: Any) -> str:
    """JSON on one line, no spaces: the form the model writes."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def echo_text(r: Random, lang: str) -> str:
    """What is to be repeated: words, sentences, fragments that come again."""
    roll = r.random()
    if roll < 0.2:
        return words.sentence(r, lang)
    if roll < 0.4:
        part = words.phrase(r, lang, 1, 6)
        mark = r.choice((" ", ", ", " and ", "; "))
        tail = mark + words.phrase(r, lang, 1, 4) if r.random() < 0.5 else ""
        return mark.join([part] * r.randint(2, 4)) + tail
    if roll < 0.48:
        return words.symbols(r)
    if roll < 0.64:  # few words, often again: only the context tells where one is
        few = [words.word(r, lang) for _ in range(r.randint(2, 9))]
        return " ".join(r.choice(few) for _ in range(r.randint(4, 28)))
    low, high = r.choice(((1, 3), (2, 8), (8, 20), (20, 36)))
    text = words.phrase(r, lang, low, high)
    if r.random() < 0.3:
        text = text[:1].upper() + text[1:] + r.choice(".!?")
    return text


def echo(r: Random, _: Scene) -> Turn:
    """Repeat a text to the letter."""
    lang = language(r)
    if r.random() < 0.25:
        short = r.choice(SHORT.split("|")) if r.random() < 0.4 else words.phrase(r, lang, 1, 2)
        text = "OK" if short.lower() in ("hello", "hola", "привет") else short
        question = r.choice(BARE[lang].split("|")) + (f'"{text}"' if r.random() < 0.3 else text)
        if r.random() < 0.15 and text[-1].isalpha():
            question += "."
    else:
        text = echo_text(r, lang)
        quoted = r.random() < 0.12
        question = r.choice(ECHO[lang].split("|")) + (f'"{text}"' if quoted else text)
    return Turn(user(question), "a repetition", "repeat the text", text, task="echo")


def count(r: Random, _: Scene) -> Turn:
    """Count from 1 to a number."""
    lang = language(r)
    roll = r.random()
    spelt = dict(pair.split("=") for pair in NUMBERS[lang].split())
    if roll < 0.3:
        digits = r.choices(
            list(spelt), [0 if k == "100" else 2 if k == "10" else 1 for k in spelt]
        )[0]
        shown = spelt[digits]
        if digits == "100" and lang == "en":
            shown = r.choice(("a hundred", "one hundred"))
    else:
        common = r.choices((3, 5, 10, 12, 15, 20, 25, 30, 40, 50), (2, 3, 5, 1, 2, 4, 1, 2, 1, 3))[
            0
        ]
        digits = str(r.randint(2, 60) if roll < 0.45 else common)
        if roll > 0.88:
            digits = r.choices(("100", "200", str(r.randint(60, 200))), (5, 3, 1))[0]
        shown = digits
    start = ONE[lang] if shown != digits and r.random() < 0.8 else "1"
    question = r.choice(COUNT[lang].split("|")).format(a=start, n=shown)
    if r.random() < 0.3:
        question = question.rstrip(".?") + r.choice((".", "!", ""))
    if r.random() < 0.2:
        question = question.lower()
    content = ", ".join(str(i) for i in range(1, int(digits) + 1))
    return Turn(user(question), f"a count to {digits}", "count", content, task="count")


def addition(r: Random, _: Scene) -> Turn:
    """One of a few sums."""
    lang = language(r)
    a, b = r.choices(SUMS, [4, 6] + [1] * (len(SUMS) - 2))[0].split("+")
    mark = r.choice(("+", " + ", f" {PLUS[lang]} "))
    shown = f"{a}{mark}{b}"
    if max(int(a), int(b)) <= 10 and r.random() < 0.2:
        shown = f"{SMALL[lang][int(a)]} {PLUS[lang]} {SMALL[lang][int(b)]}"
    question = r.choice(SUM_ASKED[lang].split("|")).format(shown)
    if r.random() < 0.15:
        question = question.lower()
    content = f"{a} + {b} = {int(a) + int(b)}."
    return Turn(user(question), f"the sum {a} + {b}", "add the numbers", content, task="sum")


def json_object(r: Random, _: Scene) -> Turn:
    """A JSON object whose keys and values stand in the question."""
    lang = language(r)
    keys = r.sample(KEYS[lang], r.choices((1, 2, 3), (3, 5, 2))[0])
    if r.random() < 0.2:
        keys[-1] = words.invented(r, lang)
    data = {k: value(r, k, lang) for k in keys}
    form = r.choice(("{} {}", "{} {}", "{}: {}", "{}={}", '{} "{}"'))
    shown = [
        (form if isinstance(v, str) else "{} {}").format(k, v if isinstance(v, str) else compact(v))
        for k, v in data.items()
    ]
    joined = AND[lang].join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
    question = r.choice(JSON_ASKED[lang].split("|")).format(joined)
    return Turn(user(question), "a JSON object", "write it", compact(data), task="json")
