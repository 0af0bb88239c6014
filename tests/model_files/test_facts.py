"""What is known of a model before it is loaded: from its file, and as its worker says it later."""

import struct
from pathlib import Path

import pytest
from gguf import GGUFReader, GGUFWriter, PoolingType
from msgspec.structs import replace

from server.engines.local import LocalOptions
from server.model_files.facts import WORKER_BYTES, ModelFacts, weight_bytes
from server.model_files.head import read_head
from server.worker.messages import PrefixOptions
from tests.bert import Bert, embedder_options
from tests.engines.models import TINY, limits, local_engine, options
from tests.gguf_copies import write_copy
from tests.qwen3 import write_qwen3

MIB = 1 << 20


@pytest.fixture(autouse=True)
def no_card(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("server.model_files.facts.has_graphics_card", lambda: False)


def test_a_head_is_what_another_reader_reads():
    head, reader = read_head(TINY), GGUFReader(TINY)
    for field in reader.fields.values():
        if field.name.startswith("GGUF."):
            continue
        content = field.contents()
        if field.name in head.lengths:
            assert head.lengths[field.name] == len(content)
        elif isinstance(content, list):
            assert list(head.values[field.name]) == content
        else:
            assert head.values[field.name] == content
    assert head.parameters == sum(int(tensor.n_elements) for tensor in reader.tensors)
    assert head.lengths["tokenizer.ggml.tokens"] == 2069


def test_a_file_tells_what_its_model_can_be_asked_for(tmp_path: Path):
    chatting = write_qwen3(tmp_path / "chatting.gguf")
    silent = write_qwen3(tmp_path / "silent.gguf", template="")
    abilities = [
        ModelFacts(path, options(path)).card().abilities for path in (chatting, silent, TINY)
    ]
    assert abilities == [("chat", "tools", "thinking"), (), ("chat", "tools", "thinking")]


def test_every_kind_of_value_is_read(tmp_path: Path):
    writer = GGUFWriter(tmp_path / "a.gguf", "made")
    writer.add_uint8("a.u8", 200)
    writer.add_int16("a.i16", -3)
    writer.add_float64("a.f64", 0.25)
    writer.add_bool("a.yes", True)
    writer.add_uint64("a.u64", 1 << 40)
    writer.add_array("a.few", [3, 8, 5])
    writer.add_array("a.many", list(range(2000)))
    writer.add_array("a.words", ["one", "two"])
    writer.add_string("a.text", "é")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    head = read_head(tmp_path / "a.gguf")
    assert head.values == {
        "general.architecture": "made",
        "a.u8": 200,
        "a.i16": -3,
        "a.f64": 0.25,
        "a.yes": True,
        "a.u64": 1 << 40,
        "a.few": (3, 8, 5),
        "a.text": "é",
    }
    assert head.lengths == {"a.many": 2000, "a.words": 2}
    assert (head.number("a.few"), head.number("a.text"), head.text("a.u8")) == (8, 0, "")


@pytest.mark.parametrize("size", [0, 3, 8, 23, 100, 1000, 20_000])
def test_a_file_that_ends_early_is_no_model(tmp_path: Path, size: int):
    file = tmp_path / "cut.gguf"
    file.write_bytes(TINY.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"GGUF|empty"):
        read_head(file)


@pytest.mark.parametrize(
    "content",
    [
        b"GGUX" + bytes(100),
        b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 63) + bytes(100),
        b"GGUF" + struct.pack("<IQQQcI", 3, 0, 1, 1, b"a", 99),
        b"GGUF" + struct.pack("<IQQQcIIQ", 3, 0, 1, 1, b"a", 9, 8, 1 << 62) + bytes(64),
        b"GGUF" + struct.pack("<IQQQcIIQ", 3, 1, 1, 1, b"a", 9, 10, 1 << 62) + bytes(64),
        b"GGUF" + struct.pack("<IQQQcIQc", 3, 0, 1, 1, b"a", 8, 1, b"\xff"),
        b"GGUF" + struct.pack("<IQQQcI", 3, 1, 0, 1, b"t", 1 << 31),
    ],
)
def test_a_file_of_nonsense_is_no_model(tmp_path: Path, content: bytes):
    file = tmp_path / "nonsense.gguf"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="is not a whole GGUF file"):
        read_head(file)


async def test_a_card_says_before_the_load_what_the_worker_says_after():
    given = options(context=4096, slots=2)
    before = ModelFacts(TINY, given).card()
    engine = local_engine(LocalOptions(name="tiny", model=given, limits=limits()))
    await engine.start()
    await engine.settled()
    after = engine.card()
    await engine.close()
    assert after is not None
    for fact in (
        "architecture",
        "context_length",
        "training_context_length",
        "parameters",
        "slots",
        "vocabulary_size",
    ):
        assert getattr(before, fact) == getattr(after, fact), fact
    assert before.description == "gpt-oss 2M MXFP4"
    assert 0 < after.size_bytes <= before.size_bytes == TINY.stat().st_size
    assert after.unclaimed_bytes >= after.size_bytes


def test_needed_are_the_weights_the_context_and_what_is_kept():
    def needed(**more: object) -> int:
        prefixes = PrefixOptions(memory_bytes=more.pop("kept", 0))
        return ModelFacts(TINY, options(prefixes=prefixes, **more)).needed_bytes()

    # Every second layer sees everything; keys and values are numbers of two bytes.
    reader = GGUFReader(TINY)
    heads, width = (
        reader.fields[f"gpt-oss.attention.{key}"].contents()
        for key in ("head_count_kv", "key_length")
    )
    layers = reader.fields["gpt-oss.block_count"].contents()
    cell = 2 * 2 * heads * width
    one, two = needed(context=8192, slots=1), needed(context=16_384, slots=1)
    assert two - one == 8192 * cell * (layers - layers // 2)
    assert one > WORKER_BYTES + weight_bytes(TINY)
    assert needed(context=8192, slots=3) - one == 2 * (one - WORKER_BYTES - weight_bytes(TINY))
    assert needed(context=8192, slots=1, kept=5 * MIB) - one == 5 * MIB
    assert needed(context=1 << 20, slots=1) == needed(context=131_072, slots=1)


def test_what_is_on_a_card_takes_no_memory_of_the_machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("server.model_files.facts.has_graphics_card", lambda: True)

    def needed(gpu_layers: int, experts: int = 0) -> int:
        given = replace(options(), gpu_layers=gpu_layers, cpu_moe_layers=experts)
        return ModelFacts(TINY, given).needed_bytes() - WORKER_BYTES

    layers = read_head(TINY).number("gpt-oss.block_count")
    whole = needed(0)
    assert whole > weight_bytes(TINY)
    assert needed(-1) == needed(-2) == needed(layers) == needed(layers + 1) == 0
    assert needed(1) == pytest.approx(whole * (layers - 1) / layers, abs=1)
    assert needed(-1, experts=1) == pytest.approx(whole / layers, abs=1)
    assert needed(-1, experts=99) == whole


def test_a_model_of_vectors_says_how_long_they_are(tmp_path: Path):
    bert = Bert()
    file = bert.write(tmp_path / "bert.gguf", PoolingType.MEAN)
    facts = ModelFacts(file, embedder_options(file, context_length=64))
    card = facts.card()
    assert (card.architecture, card.embedding_length, card.slots) == ("bert", bert.width, 1)
    assert card.context_length == min(64, card.training_context_length)
    assert facts.needed_bytes() > WORKER_BYTES + weight_bytes(file)


def test_parts_are_one_model(tmp_path: Path):
    first = tmp_path / "m-00001-of-00002.gguf"
    for part in (first, tmp_path / "m-00002-of-00002.gguf"):
        write_copy(TINY, part, {})
    assert weight_bytes(first) == 2 * first.stat().st_size
    assert ModelFacts(first, options()).card().parameters == 2 * read_head(TINY).parameters


def test_what_a_file_does_not_say_is_unknown(tmp_path: Path):
    writer = GGUFWriter(tmp_path / "a.gguf", "made")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    facts = ModelFacts(tmp_path / "a.gguf", options(context=512))
    card = facts.card()
    assert (card.description, card.context_length, card.parameters) == ("made", 512, 0)
    assert facts.needed_bytes() == WORKER_BYTES + (tmp_path / "a.gguf").stat().st_size
