# ruff: noqa: RUF001  (Cyrillic is meant)
"""Raw material: names, cities, words and invented ones, in three languages, and filler prose.

Half of what is copied is invented from syllables, so that copying is learnt and not the lists.
"""

from random import Random


def listed(text: str, mark: str | None = None) -> list[str]:
    """A long list written as one text, to be read like one."""
    return text.split(mark)


SYLLABLES = listed(
    "ba be bi bo bu da de di do du fa fe fi fo ga ge go gu ha he hi ho ka ke ki ko ku la le li lo "
    "lu ma me mi mo mu na ne ni no nu pa pe pi po ra re ri ro ru sa se si so su ta te ti to tu va "
    "ve vi vo za ze zi zo wa we ya yo cha sha tro bra kri stan berg ton ville dorf mar len ros vik"
)
CYRILLIC = listed(
    "ба бе бо бу ва ве ви во га го да де ди до ду жа за зи ка ки ко ку ла ле ли ло лу ма ме ми мо "
    "на не ни но ну па пе пи по ра ре ри ро ру са се си со су та те ти то ту фа ха хо ша ши ск град"
)
NAMES = listed(
    "Ana Anna Bob Alice Carlos Charlie Clara Daniel David Diana Eva Emma Elena Felix Frank Greta "
    "Hans Helen Hugo Ines Ivan Igor Jack James John Jane Julia Karl Kate Klara Laura Leo Lena "
    "Lucas Lucy Luis Maria Marta Max Mia Mike Nina Noah Olga Oscar Otto Paul Pedro Peter Rita "
    "Robert Rosa Sam Sara Sofia Tom Tim Victor Vera Wolfgang Yuri Zoe Alex Ada Grace Linus Diego "
    "Fatima Chen Aisha Priya Kenji Sven Björn Zoë José Müller Amélie Nora Omar Lars Marie"
)
RU_NAMES = listed(
    "Анна Иван Мария Олег Ольга Пётр Сергей Елена Дмитрий Наталья Алексей Юлия Борис Вера Игорь "
    "Катя Миша Никита Павел Света Таня Саша Максим Ирина Роман Лена Андрей Виктор Марина Егор"
)
CITIES = listed(
    "Paris|London|Berlin|Madrid|Rome|Oslo|Tokyo|Lima|Vienna|Prague|Warsaw|Lisbon|Dublin|Athens|"
    "Cairo|Delhi|Mumbai|Moscow|Kyiv|Minsk|Riga|Boston|Chicago|Denver|Seattle|Toronto|Sydney|"
    "Reykjavik|Helsinki|Stockholm|Copenhagen|Zurich|Geneva|Milan|Munich|Hamburg|Valencia|Sevilla|"
    "Bogotá|Quito|Havana|Nairobi|Lagos|Seoul|Beijing|Shanghai|Singapore|Bangkok|New York|"
    "San Francisco|Los Angeles|Mexico City|Buenos Aires|Rio de Janeiro|São Paulo|Cape Town|Zürich|"
    "Hong Kong|New Delhi|Saint Petersburg|Tel Aviv|Kuala Lumpur|Santiago de Chile",
    "|",
)
RU_CITIES = listed(
    "Москва|Казань|Екатеринбург|Новосибирск|Самара|Омск|Пермь|Уфа|Томск|Сочи|Тула|Киев|Минск|Рига|"
    "Париж|Лондон|Берлин|Мадрид|Рим|Токио|Нижний Новгород|Санкт-Петербург|Воронеж|Краснодар",
    "|",
)
WORDS = listed(
    "apple river table window green blue red yellow house car tree flower mountain ocean music "
    "book "
    "paper stone light dark cold warm fast slow small large old new happy quiet bright early late "
    "bread water coffee tea milk sugar salt garden street bridge train plane ship road city "
    "village "
    "school teacher student doctor engineer writer poem song letter word number message question "
    "answer server model token memory cache queue request stream key file folder disk network "
    "packet router cable screen keyboard mouse button code function class object test error log "
    "report order invoice customer product price market bank money time day week month year "
    "morning "
    "evening night summer winter spring autumn rain snow wind storm cloud sun moon star sky fire "
    "earth forest field animal dog cat horse bird fish bear wolf fox lion tiger king queen friend "
    "family mother father brother sister child open close read write send start stop run walk jump "
    "sing dance think know see hear feel give take make find keep lose win play work help and or "
    "the a is of in on to with for from this that these one two three four five six seven eight "
    "nine ten hello world good banana lemon orange purple silver golden secret hidden magic dragon "
    "castle planet rocket robot engine piano guitar violin pencil mirror ladder basket candle"
)
ES_WORDS = listed(
    "casa perro gato libro mesa agua pan sol luna cielo mar río montaña ciudad calle puerta "
    "ventana "
    "coche tren rojo verde azul grande pequeño nuevo viejo feliz rápido lento mundo amigo familia "
    "tiempo día noche mañana año hola buenos el la los un una de en con para y que es muy servidor"
)
RU_WORDS = listed(
    "дом кошка собака книга стол вода хлеб солнце луна небо море река гора город улица дверь окно "
    "машина поезд красный зелёный синий большой маленький новый старый быстрый тихий мир друг "
    "семья "
    "время день ночь утро год привет и в на с для это что очень сервер ключ слово яблоко лес поле"
)
COLOURS = {
    "en": listed("red blue green yellow black white purple orange pink brown grey silver"),
    "es": listed("rojo azul verde amarillo negro blanco morado naranja rosa marrón gris"),
    "ru": listed("красный синий зелёный жёлтый чёрный белый розовый серый голубой"),
}
WORDS_OF = {"en": WORDS, "es": ES_WORDS, "ru": RU_WORDS}


def invented(r: Random, lang: str = "en", syllables: tuple[int, int] = (2, 3)) -> str:
    """A lower-case word that no list holds."""
    source = CYRILLIC if lang == "ru" else SYLLABLES
    return "".join(r.choice(source) for _ in range(r.randint(*syllables)))


def name(r: Random, lang: str = "en") -> str:
    """A name, known or invented, now and then with a family name."""
    if r.random() < 0.1:
        family = r.choice(NAMES) if r.random() < 0.3 else invented(r, lang).capitalize()
        return f"{name(r, lang)} {family}"
    if r.random() < 0.5:
        return r.choice(RU_NAMES if lang == "ru" and r.random() < 0.8 else NAMES)
    return invented(r, lang).capitalize()


def city(r: Random, lang: str = "en") -> str:
    """A city, known or invented, sometimes of two words."""
    if r.random() < 0.55:
        return r.choice(RU_CITIES if lang == "ru" and r.random() < 0.85 else CITIES)
    parts = [invented(r, lang).capitalize() for _ in range(1 if r.random() < 0.85 else 2)]
    return " ".join(parts)


def word(r: Random, lang: str = "en") -> str:
    """A word, known or invented."""
    return r.choice(WORDS_OF[lang]) if r.random() < 0.6 else invented(r, lang, (1, 3))


def phrase(r: Random, lang: str, low: int, high: int) -> str:
    """Some words, now and then with capitals, numbers and punctuation."""
    out = []
    for _ in range(r.randint(low, high)):
        w = word(r, lang)
        roll = r.random()
        if roll < 0.12:
            w = w.capitalize()
        elif roll < 0.15:
            w = w.upper()
        elif roll < 0.2:
            w = str(r.randint(0, 999))
        out.append(w)
    return " ".join(out)


def symbols(r: Random) -> str:
    """Characters of several bytes, and code-like text."""
    makers = (
        lambda: chr(r.randint(0x4E00, 0x9FA5)),
        lambda: chr(r.randint(0x1F300, 0x1F64F)),
        lambda: chr(r.randint(0xAC00, 0xD7A3)),
        lambda: chr(r.randint(0x3041, 0x3096)),
        lambda: r.choice("éüñßøåçêœæ€£→✓★αβγδλπ"),
        lambda: f'{{"{word(r)}": {r.randint(0, 99)}}}',
        lambda: f'{word(r)}("{word(r)}")',
        lambda: f"{word(r)} = [{r.randint(0, 9)}, {r.randint(0, 9)}]",
    )
    make = r.choice(makers)
    mixed = r.random() < 0.4
    some = [r.choice(makers)() if mixed else make() for _ in range(r.randint(1, 6))]
    return r.choice((" ", " ", "")).join(some)


def code(r: Random) -> str:
    """Something like a code word or an order number."""
    kind = r.randrange(4)
    if kind == 0:
        return str(r.randint(2, 9999))
    if kind == 1:
        return r.choice("ABCDEFGHKLMNPRSTUVXZ") + "-" + str(r.randint(1, 999))
    if kind == 2:
        return f"{r.choice(WORDS)}-{r.randint(1, 99)}"
    return invented(r).upper()


SENTENCES = {
    "en": (
        "The {0} {1} is near the {2}.",
        "Every {0} needs a {1} and a {2}.",
        "In the {0} there was a {1} {2}.",
        "Our {0} keeps the {1} in the {2}, and the {3} waits.",
        "It was a {0} {1} when the {2} came to the {3}.",
        "Please note that the {0} of the {1} is {2}.",
        "The quick brown fox jumps over the lazy dog.",
        "Lorem ipsum dolor sit amet, consectetur adipiscing elit.",
        "Section {4}: the {0} must be {1} before the {2} is open.",
        "The report of {4} says that {0} and {1} are {2}.",
    ),
    "es": (
        "El {0} {1} está cerca del {2}.",
        "Cada {0} necesita un {1} y un {2}.",
        "En la {0} había un {1} muy {2}.",
        "Nuestro {0} guarda el {1} en la {2}.",
    ),
    "ru": (
        "В городе стоит {0}, рядом {1} и {2}.",
        "Каждый {0} знает, что {1} любит {2}.",
        "Там был {0} {1} и {2}.",
        "Наш {0} видит {1}, а потом {2}.",
    ),
}


def sentence(r: Random, lang: str) -> str:
    """One meaningless sentence."""
    picked = [word(r, lang) for _ in range(4)]
    return r.choice(SENTENCES[lang]).format(*picked, r.randint(1, 2000))


def filler(r: Random, size: int) -> str:
    """About `size` words of text that asks for nothing: prose, a repeated line, or both."""
    lang = r.choices(("en", "es", "ru"), (0.76, 0.12, 0.12))[0]
    kind, out, count = r.random(), [], 0
    line = sentence(r, lang) if r.random() < 0.6 else phrase(r, lang, 1, 4)
    while count < size:
        out.append(line if kind < 0.3 else sentence(r, lang))
        count += len(out[-1].split())
    return (" " if r.random() < 0.7 else "\n").join(out)
