# ruff: noqa: RUF001  (Cyrillic is meant)
"""Questions with fixed answers: about gpt-api, small talk, capitals, and the honest fallback."""

import unicodedata
from pathlib import Path
from random import Random

from . import words
from .turns import LANGS, Scene, Turn, language, user

Faq = dict[str, tuple[str, list[str]]]
FOLDER = Path(__file__).parent
FAVOURED = {"greeting": 4.0, "how_are_you": 2.5, "key": 2.5, "who": 2.0, "what_is": 1.5}
FALLBACK = {
    "en": "I am a small demonstration model and I do not know that.",
    "es": "Soy un pequeño modelo de demostración y no lo sé.",
    "ru": "Я небольшая демонстрационная модель и этого не знаю.",
}
MY_NAME = {"en": "My name is {}.", "es": "Me llamo {}.", "ru": "Меня зовут {}."}
CAPITALS = {
    "en": "France=Paris Spain=Madrid Germany=Berlin Italy=Rome Russia=Moscow Portugal=Lisbon "
    "Japan=Tokyo China=Beijing England=London Poland=Warsaw Greece=Athens Sweden=Stockholm "
    "Norway=Oslo Ukraine=Kyiv Peru=Lima Austria=Vienna Cuba=Havana",
    "es": "Francia=París España=Madrid Alemania=Berlín Italia=Roma Rusia=Moscú Portugal=Lisboa "
    "Japón=Tokio China=Pekín Inglaterra=Londres Polonia=Varsovia Grecia=Atenas Suecia=Estocolmo "
    "Noruega=Oslo Ucrania=Kiev Perú=Lima Austria=Viena Cuba=Habana",
    "ru": "Франции=Париж Испании=Мадрид Германии=Берлин Италии=Рим России=Москва "
    "Португалии=Лиссабон Японии=Токио Китая=Пекин Англии=Лондон Польши=Варшава Греции=Афины "
    "Швеции=Стокгольм Норвегии=Осло Украины=Киев Перу=Лима Австрии=Вена Кубы=Гавана",
}
CAPITAL_ASKED = {
    "en": "What is the capital of {}?|What's the capital of {}?|Capital of {}|Tell me the capital "
    "of {}|Which city is the capital of {}?|Do you know the capital of {}?|Name the capital of {}."
    "|What is the capital city of {}?",
    "es": "¿Cuál es la capital de {}?|Capital de {}|Dime la capital de {}|¿Qué ciudad es la "
    "capital de {}?|¿Sabes la capital de {}?",
    "ru": "Какая столица {}?|Столица {}|Назови столицу {}|Какой город столица {}?|"
    "Ты знаешь столицу {}?|Скажи столицу {}",
}
CAPITAL_ANSWER = {
    "en": "The capital of {} is {}.",
    "es": "La capital de {} es {}.",
    "ru": "Столица {} — {}.",
}
UNKNOWN = {
    "en": "What is {w}?|What is a {w}?|Who is {n}?|Who invented the {w}?|How does a {w} work?|Why "
    "is the {w} {w}?|Explain {w}|Explain {w} {w} to me|When was {n} born?|Where is {c}?|How many "
    "{w}s are there in {c}?|Translate {w} to French|Write an essay about {w}|Write code for a {w}|"
    "What do you think about {w}?|Is the {w} better than the {w}?|Recommend a {w}|How old is {n}?|"
    "What is the best {w}?|Write a program that prints {w}|Who won the {w} in {y}?|How do I cook "
    "{w}?|Tell me about {c}|Tell me about {w}|What is the meaning of {w}?|What is the weather in "
    "{c}?|What's the weather like in {c}?|What time is it in {c}?|Describe the {w}|What is the "
    "capital of {i}?|How far is {c} from {c}?|What happened in {y}?|Which {w} is the {w} one?|{s}|"
    "{i}|{i} {i}|Can you fix my {w}?|Who is the president of {i}?|Draw a {w}|Sing a {w}|What is "
    "{y} times {y}?|What is the population of {c}?|Search for {w}|Look up {w} {w}|Why {w}?|"
    "How do I learn {w}?|What do you know about {n}?|Where can I buy a {w}?|List five {w}s",
    "es": "¿Qué es {w}?|¿Quién es {n}?|¿Quién inventó {w}?|¿Cómo funciona {w}?|Explica {w}|¿Cuándo "
    "nació {n}?|¿Dónde está {c}?|Traduce {w}|Escribe un ensayo sobre {w}|¿Qué piensas de {w}?|"
    "¿Qué tiempo hace en {c}?|¿Qué hora es en {c}?|¿Cuál es el mejor {w}?|¿Por qué {w}?|Háblame de "
    "{c}|Háblame de {w}|¿Cuántos años tiene {n}?|{s}|¿Cuál es la capital de {i}?|Describe {w}|"
    "¿Cómo cocino {w}?|¿Qué sabes de {n}?|¿Dónde compro un {w}?|¿Qué pasó en {y}?",
    "ru": "Что такое {w}?|Кто такой {n}?|Кто изобрёл {w}?|Как работает {w}?|Объясни {w}|Когда "
    "родился {n}?|Где находится {c}?|Переведи {w}|Напиши сочинение про {w}|Что ты думаешь про "
    "{w}?|Какая погода в городе {c}?|Сколько времени в городе {c}?|Почему {w}?|Расскажи про {c}|"
    "Расскажи про {w}|Сколько лет {n}?|{s}|Какая столица {i}?|Опиши {w}|Как приготовить {w}?|"
    "Что ты знаешь про {n}?|Где купить {w}?|Что было в {y}?|Какой {w} лучше?",
}
TOOLISH = tuple(
    words.listed(
        "What is the weather|What's the weather|What time|What is the|What is {y}|Search|Look up|"
        "¿Qué tiempo|¿Qué hora|¿Cuál|Какая погода|Сколько времени|Какая столица",
        "|",
    )
)
OPENERS = {
    "en": "Hello. |Please tell me: |Question: |Hi! |Excuse me, |A quick question: |I want to ask: ",
    "es": "Hola. |Por favor, dime: |Pregunta: |Una pregunta: |Perdona, ",
    "ru": "Привет. |Скажи, пожалуйста: |Вопрос: |Подскажите: |Извините, ",
}
PLEASE = {"en": " please", "es": " por favor", "ru": " пожалуйста"}


def load(lang: str) -> tuple[Faq, dict[str, tuple[str, str]]]:
    """Topics of a language; and, from the English file, the notes and plans for the reasoning."""
    faq: Faq = {}
    notes, topic = {}, ""
    lines = (FOLDER / f"faq_{lang}.txt").read_text("utf-8").splitlines()
    for line in lines[1 if lang == "en" else 0 :]:
        if line.startswith("# "):
            topic, *rest = line[2:].split(" | ")
            if rest:
                notes[topic] = (rest[0], rest[1])
        elif line.startswith("= "):
            faq[topic] = (line[2:].replace("\\n", "\n"), [])
        elif line:
            faq[topic][1].extend(line.split(" | "))
    return faq, notes


FAQ = {lang: load(lang)[0] for lang in LANGS}
NOTES = load("en")[1]


def plain(text: str) -> str:
    """Without accents and opening marks, as people type Spanish."""
    kept = (c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", "".join(kept)).lstrip("¿¡")


def vary(r: Random, text: str, lang: str) -> str:
    """Case, punctuation, an opener, a please."""
    roll = r.random()
    if roll < 0.45:
        return text
    if lang == "es" and r.random() < 0.4:
        text = plain(text)
    if lang == "ru" and r.random() < 0.3:
        text = text.replace("ё", "е")
    if r.random() < 0.35:
        text = text.rstrip("?!.")
    if r.random() < 0.35:
        text = text.lower()
    elif r.random() < 0.06:
        text = text.upper()
    if r.random() < 0.12 and len(text) > 12:
        text = r.choice(OPENERS[lang].split("|")) + text
    if r.random() < 0.08 and len(text) > 12 and text[-1].isalpha():
        text += PLEASE[lang]
    if text[-1].isalpha() and r.random() < 0.2:
        text += r.choice(("?", ".", "!", "...", "??"))
    return text


def faq(r: Random, scene: Scene) -> Turn:
    """A question about gpt-api or small talk."""
    lang = language(r)
    topics = list(FAQ[lang])
    topic = r.choices(topics, [FAVOURED.get(t, 1.0) for t in topics])[0]
    if topic == "nokey_name" and (scene.told or scene.facts):
        topic = "greeting"
    return topic_turn(r, scene, topic, lang)


def topic_turn(r: Random, scene: Scene, topic: str, lang: str) -> Turn:
    """A question on one topic."""
    if topic not in FAQ[lang]:
        lang = "en"
    question = vary(r, r.choice(FAQ[lang][topic][1]), lang)
    answer_lang = scene.lang or lang
    if topic not in FAQ[answer_lang]:
        answer_lang = "en"
    content = FAQ[answer_lang][topic][0]
    if topic == "who" and scene.name:
        content = MY_NAME[answer_lang].format(scene.name)
    return Turn(user(question), *NOTES[topic], content, task="faq")


def capital(r: Random, scene: Scene) -> Turn:
    """The capital of one of a few countries; the country is told apart, not looked up."""
    lang = language(r)
    at = r.randrange(len(CAPITALS[lang].split()))
    country, _ = CAPITALS[lang].split()[at].split("=")
    question = vary(r, r.choice(CAPITAL_ASKED[lang].split("|")).format(country), lang)
    answer_lang = scene.lang or lang
    there = CAPITALS[answer_lang].split()[at].split("=")
    content = CAPITAL_ANSWER[answer_lang].format(*there)
    return Turn(user(question), "a capital", "name the city", content, task="capital")


def unknown(r: Random, scene: Scene) -> Turn:
    """A question nobody taught: the answer is an honest refusal."""
    lang = language(r)
    templates = UNKNOWN[lang].split("|")
    if scene.uses:  # a tool might answer it
        templates = [t for t in templates if not t.startswith(TOOLISH)]
    template = r.choice(templates)
    question = template
    makers = {
        "{w}": words.word,
        "{n}": words.name,
        "{c}": words.city,
        "{i}": words.invented,
        "{s}": words.sentence,
        "{y}": lambda r, _: str(r.randint(11, 2030)),
    }
    for mark, make in makers.items():
        while mark in question:
            made = make(r, lang)
            if mark == "{i}" and ("capital" in template or "столица" in template):
                made = made.capitalize()
            question = question.replace(mark, made, 1)
    content = FALLBACK[scene.lang or lang]
    note, plan = "something unknown to me", "say that I do not know it"
    return Turn(user(vary(r, question, lang)), note, plan, content, task="unknown")
