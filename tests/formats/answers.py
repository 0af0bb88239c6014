"""What gpt-oss writes, well formed and not, and the parts that are to be read from it."""

from tests.formats.reading import Parts

THINK = "<|channel|>analysis<|message|>Hm.<|end|>"
START = "<|start|>assistant"
FINAL = "<|channel|>final<|message|>Hi!"
CALL = "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{}<|call|>"
CALLED = [("get_weather()", "{}")]
HI = [("text", "Hi!")]
LONG = "There is no header here at all, and it goes on and on. " * 20

WELL_FORMED: dict[str, tuple[str, Parts]] = {
    "nothing": ("", []),
    "final": (f"{FINAL}<|return|>", HI),
    "thought": (f"{THINK}{START}{FINAL}<|return|>", [("reasoning", "Hm."), *HI]),
    "call": (f"{THINK}{START}{CALL}", [("reasoning", "Hm."), *CALLED]),
    "recipient in the role": (
        " to=functions.get_weather<|channel|>commentary <|constrain|>json<|message|>{}<|call|>",
        CALLED,
    ),
    "call without type": (
        "<|channel|>commentary to=functions.get_weather<|message|>{}<|call|>",
        CALLED,
    ),
    "call without arguments": (
        "<|channel|>commentary to=functions.do.it-now_2<|message|><|call|>",
        [("do.it-now_2()", "")],
    ),
    "preamble and call": (
        f"<|channel|>commentary<|message|>I look.<|end|>{START}{CALL}",
        [("preamble", "I look."), *CALLED],
    ),
    "preamble, thought and call": (
        f"<|channel|>commentary<|message|>I look.<|end|>{START}{THINK}{START}{CALL}",
        [("reasoning", "Hm."), ("preamble", "I look."), *CALLED],
    ),
    "two preambles": (
        f"<|channel|>commentary<|message|>A<|end|>{START}<|channel|>commentary<|message|>B<|end|>"
        f"{START}{CALL}",
        [("preamble", "A"), ("preamble", "B"), *CALLED],
    ),
    "commentary and final": (
        f"<|channel|>commentary<|message|>A<|end|>{START}{FINAL}<|return|>",
        [("text", "A"), *HI],
    ),
    "commentary alone": ("<|channel|>commentary<|message|>Hi!<|return|>", HI),
    "commentary cut": ("<|channel|>commentary<|message|>Hi!", HI),
    "two finals": (f"{FINAL}<|end|>{START}{FINAL}<|return|>", [*HI, *HI]),
    "final and call": (f"{FINAL}<|end|>{START}{CALL}", [*HI, *CALLED]),
    "empty final": ("<|channel|>final<|message|><|return|>", [("text", "")]),
    "empty thought": (f"<|channel|>analysis<|message|><|end|>{START}{FINAL}<|return|>", HI),
    "empty commentary": (f"<|channel|>commentary<|message|><|end|>{START}{CALL}", CALLED),
    "cut in the thought": ("<|channel|>analysis<|message|>Hm.", [("reasoning", "Hm.")]),
    "cut in the answer": (FINAL, HI),
    "cut in the arguments": (CALL.replace("{}<|call|>", '{"a'), [("get_weather()", '{"a')]),
    "text after a call": (f"{CALL}{START}{FINAL}<|return|>", CALLED),
    "two calls": (f"{CALL}{START}{CALL}", CALLED),
}

MALFORMED: dict[str, tuple[str, Parts]] = {
    "channel after a channel": (
        "<|channel|>commentary to=assistant<|channel|>analysis<|message|>Hm.",
        [("reasoning", "Hm.")],
    ),
    "final after commentary": ("<|channel|>commentary<|channel|>final<|message|>Hi!", HI),
    "final after a call's channel": (
        "<|channel|>commentary to=functions.get_weather<|channel|>final<|message|>Hi!<|return|>",
        HI,
    ),
    "call after a call's channel": (
        "<|channel|>commentary to=functions.get_weather<|channel|>commentary<|message|>{}<|call|>",
        CALLED,
    ),
    "type of a final": (
        "<|channel|>final <|constrain|>json<|message|>{}<|return|>",
        [("text", "{}")],
    ),
    "call on analysis": (
        "<|channel|>analysis to=functions.get_weather code<|message|>{}<|call|>",
        CALLED,
    ),
    "call without blanks": (
        "<|channel|>commentaryto=functions.get_weather<|constrain|>json<|message|>{}<|call|>",
        CALLED,
    ),
    "recipient after a blank": (
        "<|channel|>commentary to= functions.get_weather <|constrain|> json<|message|>{}<|call|>",
        CALLED,
    ),
    "type before the recipient": (
        "<|channel|>commentary <|constrain|>json to=functions.get_weather<|message|>{}<|call|>",
        CALLED,
    ),
    "call ended by end": (CALL.replace("<|call|>", "<|end|>"), CALLED),
    "more words": ("<|channel|>final please do answer now<|message|>Hi!<|return|>", HI),
    "glued words": ("<|channel|>finalanswer<|message|>Hi!<|return|>", HI),
    "other spelling": ("<|channel|> Final<|message|>Hi!<|return|>", HI),
    "unknown channel": ("<|channel|>musing<|message|>Hi!<|return|>", HI),
    "empty channel": ("<|channel|><|message|>Hi!<|return|>", HI),
    "no channel": ("<|message|>Hi!<|return|>", HI),
    "role twice": (f"assistant{FINAL}<|return|>", HI),
    "a person as recipient": ("<|channel|>final to=user<|message|>Hi!<|return|>", HI),
    "an unknown recipient of a final": ("<|channel|>final to=x.y<|message|>Hi!<|return|>", HI),
    "bare text": ("Hi!<|return|>", HI),
    "bare text, cut": ("Hi!", HI),
    "long bare text": (LONG, [("text", LONG)]),
    "bare text after start": ("<|start|>assistant Hi!<|return|>", HI),
    "bare text after end": (f"{THINK}Hi!<|return|>", [("reasoning", "Hm."), *HI]),
    "bare text that names a role": ("user friendly<|return|>", [("text", "user friendly")]),
    "bare text with an assignment": ("set to=5<|return|>", [("text", "set to=5")]),
    "text on a channel without message": ("<|channel|>final Hi!<|return|>", HI),
    "thought on a channel without message": (
        f"<|channel|>analysis {LONG}<|end|>{START}{FINAL}",
        [("reasoning", LONG), *HI],
    ),
    "long text on a channel without message": (f"<|channel|>final{LONG}", [("text", LONG)]),
    "no start after end": (f"{THINK}assistant{FINAL}<|return|>", [("reasoning", "Hm."), *HI]),
    "channel after end": (f"{THINK}{FINAL}<|return|>", [("reasoning", "Hm."), *HI]),
    "no end before start": (
        f"<|channel|>analysis<|message|>Hm.{START}{FINAL}<|return|>",
        [("reasoning", "Hm."), *HI],
    ),
    "no end before channel": (
        f"<|channel|>analysis<|message|>Hm.{FINAL}<|return|>",
        [("reasoning", "Hm."), *HI],
    ),
    "message twice": (f"{FINAL}<|message|> Ho!<|return|>", [("text", "Hi! Ho!")]),
    "stray markers": (
        f"{FINAL}<|constrain|><|startoftext|><|endofprompt|>!<|return|>",
        [("text", "Hi!!")],
    ),
    "text after the end of the answer": (f"{FINAL}<|return|>{FINAL}", [*HI, *HI]),
    "nothing but markers": ("<|start|><|start|><|channel|><|channel|><|end|><|call|>", []),
    "cut after the channel": ("<|channel|>final", []),
    "cut after start": (f"{THINK}{START}", [("reasoning", "Hm.")]),
    "cut in the recipient": (" to=functions.get", []),
    "cut before the recipient": (" to", []),
    "end in the header": (f"<|channel|>commentary to=functions.get_weather<|return|>{FINAL}", HI),
    "end in a typed header": ("<|channel|>final <|constrain|>json<|return|>", []),
    "a call without message": (
        '<|channel|>commentary to=functions.get_weather <|constrain|>json{"a": 1}<|call|>',
        [],
    ),
    "as the user": (f"{THINK}<|start|>user<|message|>Ha!<|end|>", [("reasoning", "Hm.")]),
    "as a named user": (f"{THINK}<|start|>user:bob<|message|>Ha!<|end|>", [("reasoning", "Hm.")]),
    "bare text as the user": (f"{THINK}<|start|>user Ha!<|end|>", [("reasoning", "Hm.")]),
    "as the system, without start": (f"{THINK}system<|message|>Ha!", [("reasoning", "Hm.")]),
    "as a tool": (
        f"<|start|>functions.get_weather to=assistant<|channel|>commentary<|message|>1<|end|>"
        f"{START}{FINAL}",
        HI,
    ),
    "as nobody known": ("<|start|>assist<|channel|>final<|message|>Hi!<|return|>", HI),
}

NOT_OFFERED = [
    "<|channel|>analysis to=python code<|message|>1+1<|call|>",
    "<|channel|>commentary to=browser.search<|message|>{}<|call|>",
    "<|channel|>commentary to=container.exec <|constrain|>json<|message|>{}<|call|>",
    "<|channel|>commentary to=functions.unknown <|constrain|>json<|message|>{}<|call|>",
    "<|channel|>commentary to=functions. <|constrain|>json<|message|>{}<|call|>",
    "<|channel|>commentary to=get_weather <|constrain|>json<|message|>{}<|call|>",
    " to=functions.unknown<|channel|>commentary<|message|>{}<|call|>",
]
