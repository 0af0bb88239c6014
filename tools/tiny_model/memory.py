# ruff: noqa: RUF001  (Cyrillic is meant)
"""Things said earlier: facts the user tells, facts in the developer message."""

from collections.abc import Callable
from random import Random

from . import words
from .turns import Scene, Turn, language, user

Maker = Callable[[Random, str], str]

# kind: language -> (statements, acknowledgement, questions, answer)
TOLD: dict[str, dict[str, tuple[str, str, str, str]]] = {
    "name": {
        "en": (
            "My name is {}.|My name is {}|Hello, my name is {}.|Hi, I'm {}.|Call me {}.|Hi! My "
            "name is {}.|I am called {}.|My name is {}. Please remember it.|Remember: my name is "
            "{}.|my name is {}",
            "Nice to meet you, {}!",
            "What is my name?|What's my name?|Do you know my name?|Do you remember my name?|Tell "
            "me "
            "my name|Say my name|What was my name?|What is my name again?|what is my name|Who am "
            "I?",
            "Your name is {}.",
        ),
        "es": (
            "Me llamo {}.|Mi nombre es {}.|Hola, me llamo {}.|Hola, mi nombre es {}.|Soy {}.|"
            "Recuerda: me llamo {}.",
            "¡Mucho gusto, {}!",
            "¿Cómo me llamo?|¿Cuál es mi nombre?|¿Sabes mi nombre?|¿Recuerdas mi nombre?|Dime mi "
            "nombre|¿Quién soy?",
            "Te llamas {}.",
        ),
        "ru": (
            "Меня зовут {}.|Моё имя {}.|Привет, меня зовут {}.|Привет! Меня зовут {}.|Запомни: "
            "меня "
            "зовут {}.|меня зовут {}",
            "Приятно познакомиться, {}!",
            "Как меня зовут?|Какое моё имя?|Ты знаешь моё имя?|Ты помнишь, как меня зовут?|Назови "
            "моё имя|Кто я?",
            "Вас зовут {}.",
        ),
    },
    "colour": {
        "en": (
            "My favourite colour is {}.|My favorite color is {}.|I like the colour {}.|Remember "
            "that my favourite colour is {}.",
            "I will remember that.",
            "What is my favourite colour?|What is my favorite color?|Which colour do I like?|Do "
            "you "
            "remember my favourite colour?",
            "Your favourite colour is {}.",
        ),
        "es": (
            "Mi color favorito es {}.|Mi color favorito es el {}.",
            "Lo recordaré.",
            "¿Cuál es mi color favorito?|¿Qué color me gusta?",
            "Tu color favorito es {}.",
        ),
        "ru": (
            "Мой любимый цвет {}.|Мой любимый цвет — {}.",
            "Я запомню это.",
            "Какой мой любимый цвет?|Какой цвет я люблю?",
            "Ваш любимый цвет: {}.",
        ),
    },
    "city": {
        "en": (
            "I live in {}.|My city is {}.|I am from {}.|I come from {}.|My home is in {}.",
            "I will remember that.",
            "Where do I live?|What is my city?|Where am I from?|Which city do I live in?",
            "You live in {}.",
        ),
        "es": (
            "Vivo en {}.|Mi ciudad es {}.|Soy de {}.",
            "Lo recordaré.",
            "¿Dónde vivo?|¿Cuál es mi ciudad?|¿De dónde soy?",
            "Vives en {}.",
        ),
        "ru": (
            "Мой город {}.|Я живу в городе {}.|Я из города {}.",
            "Я запомню это.",
            "Где я живу?|Какой мой город?|В каком городе я живу?",
            "Ваш город: {}.",
        ),
    },
    "secret": {
        "en": (
            "The secret word is {}.|Remember the word {}.|The password is {}.|Remember this word: "
            "{}.|The code is {}. Remember it.|Remember the number {}.|Please remember the code {}.",
            "I will remember that.",
            "What is the secret word?|Which word did I tell you?|What is the password?|What did I "
            "ask you to remember?|What is the code?|What was the secret word?|What was the number?",
            "It is {}.",
        ),
        "es": (
            "La palabra secreta es {}.|Recuerda la palabra {}.|La contraseña es {}.|El código es "
            "{}.",
            "Lo recordaré.",
            "¿Cuál es la palabra secreta?|¿Qué palabra te dije?|¿Cuál es la contraseña?|¿Cuál es "
            "el "
            "código?",
            "Es {}.",
        ),
        "ru": (
            "Секретное слово: {}.|Запомни слово {}.|Пароль: {}.|Код: {}. Запомни его.",
            "Я запомню это.",
            "Какое секретное слово?|Какое слово я назвал?|Какой пароль?|Какой код?",
            "Это {}.",
        ),
    },
}
# statements in a developer message, with questions in three languages and answers
SAID: list[tuple[str, dict[str, str], dict[str, str]]] = [
    (
        "The secret word is {}.|The secret word is: {}.|Secret word: {}.|The secret word is '{}'.|"
        "If asked, the secret word is {}.|La palabra secreta es {}.|Секретное слово: {}.",
        {
            "en": "What is the secret word?|Tell me the secret word|What's the secret word?|Say "
            "the "
            "secret word.|secret word?|Do you know the secret word?",
            "es": "¿Cuál es la palabra secreta?|Dime la palabra secreta",
            "ru": "Какое секретное слово?|Назови секретное слово",
        },
        {
            "en": "The secret word is {}.",
            "es": "La palabra secreta es {}.",
            "ru": "Секретное слово: {}.",
        },
    ),
    (
        "The password is {}.|The password is: {}|Password: {}.|La contraseña es {}.|Пароль: {}.",
        {
            "en": "What is the password?|Tell me the password|What's the password?|Give me the "
            "password",
            "es": "¿Cuál es la contraseña?|Dime la contraseña",
            "ru": "Какой пароль?|Назови пароль",
        },
        {"en": "The password is {}.", "es": "La contraseña es {}.", "ru": "Пароль: {}."},
    ),
    (
        "The code is {}.|The secret code is {}.|Code: {}.|The secret number is {}.|El código es "
        "{}.|Код: {}.",
        {
            "en": "What is the code?|What is the secret code?|What is the secret number?|Tell me "
            "the "
            "code",
            "es": "¿Cuál es el código?|Dime el código",
            "ru": "Какой код?|Назови код",
        },
        {"en": "The code is {}.", "es": "El código es {}.", "ru": "Код: {}."},
    ),
    (
        "The user's name is {}.|The name of the user is {}.|You are talking to {}.",
        {lang: TOLD["name"][lang][2] for lang in TOLD["name"]},
        {lang: TOLD["name"][lang][3] for lang in TOLD["name"]},
    ),
]
MAKERS: dict[str, Maker] = {
    "name": words.name,
    "colour": lambda r, lang: r.choice(words.COLOURS[lang]),
    "city": words.city,
    "secret": lambda r, lang: words.code(r) if r.random() < 0.4 else words.word(r, lang),
}


def told(r: Random, scene: Scene) -> tuple[list[Turn], Turn]:
    """Statements of one or two facts with their acknowledgements, and a question about one."""
    weights = (0, 2, 2, 0) if scene.facts else (5, 2, 2, 3)  # the developer may have said one
    kinds = r.choices(list(TOLD), weights, k=2 if r.random() < 0.3 else 1)
    lang = language(r)
    values = {kind: MAKERS[kind](r, lang) for kind in dict.fromkeys(kinds)}
    turns = [statement(r, scene, kind, v, lang) for kind, v in values.items()]
    asked = r.choice(list(values))
    return turns, question(r, scene, asked, values[asked], lang)


def statement(r: Random, scene: Scene, kind: str, v: str, lang: str) -> Turn:
    """The user says something about themselves."""
    says, _, _, _ = TOLD[kind][lang]
    noted = TOLD[kind][scene.lang or lang][1].format(v)
    text = r.choice(says.split("|")).format(v)
    return Turn(user(text), f"to tell me the {kind} {v}", "acknowledge it", noted, task="told")


def question(r: Random, scene: Scene, kind: str, v: str, lang: str) -> Turn:
    """The user asks for it back, mostly in the same language."""
    asked = language(r) if r.random() < 0.1 else lang
    text = r.choice(TOLD[kind][asked][2].split("|"))
    if r.random() < 0.15:
        text = text.lower()
    content = TOLD[kind][scene.lang or asked][3].format(v)
    note = f"the {kind} that I was told, {v}"
    return Turn(user(text), note, "recall it", content, task="recall")


def introduction(r: Random, scene: Scene) -> Turn:
    """A statement alone."""
    weights = (0, 2, 2, 0) if scene.facts else (5, 2, 2, 3)
    kind, lang = r.choices(list(TOLD), weights)[0], language(r)
    scene.told = True
    return statement(r, scene, kind, MAKERS[kind](r, lang), lang)


def said(r: Random) -> tuple[str, tuple[int, str]]:
    """A sentence for the developer message, and (which fact, value)."""
    which = r.choices(range(len(SAID)), (5, 2, 2, 2))[0]
    if which == 3:
        v = words.name(r, "ru" if r.random() < 0.2 else "en")
    elif which == 2:
        v = words.code(r)
    else:
        v = words.word(r, r.choices(("en", "es", "ru"), (0.7, 0.1, 0.2))[0])
        v = r.choice((v, v, v.capitalize(), v.upper()))
    return r.choice(SAID[which][0].split("|")).format(v), (which, v)


def recalled(r: Random, scene: Scene, fact: tuple[int, str]) -> Turn:
    """A question about what the developer message says."""
    which, v = fact
    lang = language(r) if r.random() < 0.4 else "en"
    text = r.choice(SAID[which][1][lang].split("|"))
    if r.random() < 0.15:
        text = text.lower().rstrip("?")
    content = SAID[which][2][scene.lang or lang].format(v)
    return Turn(user(text), f"a fact that I was told, {v}", "recall it", content, task="fact")
