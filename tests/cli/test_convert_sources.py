#!/usr/bin/env python3
"""Black-box tests of `edgelm convert` and `edgelm export`: packed weights, tokenizers, checkpoints
of llama2.c, and round trips.

usage: test_convert_sources.py PATH-OF-EDGELM FOLDER-OF-GOLDEN-DATA
"""

import json
import random
import shutil
import struct

import convert_case
import model_files as mf
from convert_case import Case
from model_files import F16, F32, Q4_0, Q4_1, Q8_0, Shape

GROUP = 32


class Coded:
    """A matrix of codes with groups of columns, and its two ways of being packed."""

    def __init__(self, rows, cols, bits=4, zero=None, seed=3):
        generator = random.Random(seed)
        self.rows, self.cols, self.bits, self.groups = rows, cols, bits, cols // GROUP
        self.codes = [[generator.randrange(1 << bits) for _ in range(cols)] for _ in range(rows)]
        self.scales = [[generator.randrange(1, 2048) / 65536 for _ in range(rows)] for _ in range(self.groups)]
        self.zeros = [[zero if zero is not None else generator.randrange(1, 1 << bits)
                       for _ in range(rows)] for _ in range(self.groups)]
        self.order = [c // GROUP for c in range(cols)]

    def value(self, row, col):
        group = self.order[col]
        return self.scales[group][row] * (self.codes[row][col] - self.zeros[group][row])

    def gptq(self, offset):
        """offset: 1 as version 1 stores zeros, 0 as version 2."""
        per, mask = 32 // self.bits, (1 << self.bits) - 1

        def word(values):
            return sum((v & mask) << i * self.bits for i, v in enumerate(values))
        codes = [word([self.codes[r][c + k] for k in range(per)])
                 for c in range(0, self.cols, per) for r in range(self.rows)]
        zeros = [word([self.zeros[g][r + k] - offset for k in range(per)])
                 for g in range(self.groups) for r in range(0, self.rows, per)]
        return {
            "qweight": ("I32", [self.cols // per, self.rows], struct.pack(f"<{len(codes)}I", *codes)),
            "qzeros": ("I32", [self.groups, self.rows // per], struct.pack(f"<{len(zeros)}I", *zeros)),
            "scales": ("F16", [self.groups, self.rows], mf.encode(sum(self.scales, []), "F16")),
            "g_idx": ("I32", [self.cols], struct.pack(f"<{self.cols}i", *self.order)),
        }

    def awq(self):
        nibble = [0, 4, 1, 5, 2, 6, 3, 7]

        def word(values):
            return sum(v << 4 * nibble[j] for j, v in enumerate(values))
        codes = [word([self.codes[r + j][c] for j in range(8)])
                 for c in range(self.cols) for r in range(0, self.rows, 8)]
        zeros = [word(self.zeros[g][r:r + 8]) for g in range(self.groups) for r in range(0, self.rows, 8)]
        return {
            "qweight": ("I32", [self.cols, self.rows // 8], struct.pack(f"<{len(codes)}I", *codes)),
            "qzeros": ("I32", [self.groups, self.rows // 8], struct.pack(f"<{len(zeros)}I", *zeros)),
            "scales": ("F16", [self.groups, self.rows], mf.encode(sum(self.scales, []), "F16")),
        }

    def blocks(self, kind, order=None):
        """The bytes that the matrix should have in GGUF, its rows in this order."""
        out = b""
        for row in order or range(self.rows):
            for at in range(0, self.cols, 32):
                codes = self.codes[row][at:at + 32]
                scale, zero = self.scales[at // GROUP][row], self.zeros[at // GROUP][row]
                out += struct.pack("<e", scale)
                if kind == Q8_0:
                    out += struct.pack("<32b", *[code - 128 for code in codes])
                    continue
                if kind == Q4_1:
                    out += struct.pack("<e", -scale * zero)
                out += bytes(codes[i] | codes[i + 16] << 4 for i in range(16))
        return out


DOWN = "model.layers.0.mlp.down_proj"
QUERY = "model.layers.1.self_attn.q_proj"


class PackedWeights(Case):
    def put(self, base, parts):
        def change(tensors):
            tensors.pop(base + ".weight", None)
            for suffix in ("qweight", "qzeros", "scales", "g_idx"):
                tensors.pop(f"{base}.{suffix}", None)
            tensors.update({f"{base}.{suffix}": part for suffix, part in parts.items()})
        self.change_tensors(change)

    def setUp(self):
        super().setUp()
        mf.write_model(self.folder, "llama")

    def test_symmetric_gptq_of_both_versions_is_exact(self):
        for offset in (1, 0):
            for said in ("gptq", "gptq_v2", None):
                matrix = Coded(64, 96, zero=8)
                self.put(DOWN, matrix.gptq(offset))
                self.change_config(quantization_config={"quant_method": "gptq", "checkpoint_format": said})
                gguf = self.convert()
                self.assertEqual(gguf.tensors["blk.0.ffn_down.weight"], (Q4_0, (96, 64), matrix.blocks(Q4_0)))
        self.runs()
        eight = Coded(64, 96, bits=8, zero=128)
        for offset in (1, 0):
            self.put(DOWN, eight.gptq(offset))
            self.assertEqual(self.convert().tensors["blk.0.ffn_down.weight"], (Q8_0, (96, 64), eight.blocks(Q8_0)))

    def test_rows_of_queries_change_places(self):
        matrix = Coded(64, 64, zero=8)
        self.put(QUERY, matrix.gptq(1))
        order = mf.in_pairs(list(range(64)), Shape.heads, 1)
        self.assertEqual(self.convert().tensors["blk.1.attn_q.weight"][2], matrix.blocks(Q4_0, order))
        matrix = Coded(64, 64)
        self.put(QUERY, matrix.awq())
        self.assertEqual(self.convert().tensors["blk.1.attn_q.weight"][2], matrix.blocks(Q4_1, order))

    def test_awq(self):
        matrix = Coded(64, 96)
        self.put(DOWN, matrix.awq())
        self.assertEqual(self.convert().tensors["blk.0.ffn_down.weight"], (Q4_1, (96, 64), matrix.blocks(Q4_1)))
        matrix = Coded(64, 96, zero=8)
        self.put(DOWN, matrix.awq())
        self.assertEqual(self.convert().tensors["blk.0.ffn_down.weight"], (Q4_0, (96, 64), matrix.blocks(Q4_0)))

    def test_zero_points_need_the_version(self):
        matrix = Coded(64, 96)
        self.put(DOWN, matrix.gptq(0))
        self.change_config(quantization_config={"checkpoint_format": "gptq_v2"})
        self.assertEqual(self.convert().tensors["blk.0.ffn_down.weight"], (Q4_1, (96, 64), matrix.blocks(Q4_1)))
        matrix.zeros[0][0] = 3
        self.put(DOWN, matrix.gptq(1))
        self.change_config(quantization_config={"checkpoint_format": "gptq"})
        self.assertEqual(self.convert().tensors["blk.0.ffn_down.weight"], (Q4_1, (96, 64), matrix.blocks(Q4_1)))
        self.change_config(quantization_config=None)
        mf.write_json(self.folder / "quantize_config.json", {"checkpoint_format": "gptq_v2"})
        self.put(DOWN, matrix.gptq(0))
        self.assertEqual(self.convert().tensors["blk.0.ffn_down.weight"][2], matrix.blocks(Q4_1))
        (self.folder / "quantize_config.json").unlink()
        matrix.zeros[1][5] = 0
        self.put(DOWN, matrix.gptq(1))
        self.refused(DOWN, "zero point of 0", "gptq_v2")

    def test_what_blocks_cannot_hold_is_decoded(self):
        matrix = Coded(64, 96)
        matrix.order = [c % matrix.groups for c in range(96)]
        self.put(DOWN, matrix.gptq(0))
        self.change_config(quantization_config={"checkpoint_format": "gptq_v2"})
        gguf = self.convert("--type", "f32")
        want = [matrix.value(r, c) for r in range(64) for c in range(96)]
        self.assertEqual(gguf.floats("blk.0.ffn_down.weight"), want)
        said = self.good("convert", self.folder, "-o", self.output)
        self.assertIn("act-order", said)
        self.assertEqual(mf.Gguf(self.output).tensors["blk.0.ffn_down.weight"], (F16, (96, 64), mf.encode(want, F16)))
        eight = Coded(64, 96, bits=8)
        self.put(DOWN, eight.gptq(0))
        want = [eight.value(r, c) for r in range(64) for c in range(96)]
        self.assertEqual(self.convert("--type", "f32").floats("blk.0.ffn_down.weight"), want)
        symmetric = Coded(64, 96, zero=8)
        self.put(DOWN, symmetric.gptq(1))
        want = [symmetric.value(r, c) for r in range(64) for c in range(96)]
        self.assertEqual(self.convert("--type", "f32", "--dequantize").floats("blk.0.ffn_down.weight"), want)

    def test_biases_of_zeros_are_dropped(self):
        self.put(DOWN, Coded(64, 96, zero=8).gptq(1))
        self.change_tensors(lambda tensors: tensors.update({DOWN + ".bias": ("F16", [64], bytes(128))}))
        self.assertNotIn("blk.0.ffn_down.bias", self.convert().tensors)
        self.change_tensors(lambda tensors: tensors.update({DOWN + ".bias": ("F16", [64], mf.encode([1.0] * 64, F16))}))
        self.assertEqual(self.convert().tensors["blk.0.ffn_down.bias"], (F32, (64,), mf.encode([1.0] * 64, F32)))

    def test_damaged(self):
        good = Coded(64, 96, zero=8).gptq(1)
        infinite = mf.encode([0.5] * 191, F16) + b"\x00\x7c"
        for changes, words in (
                ({"qzeros": None}, ("qzeros",)), ({"scales": ("F16", [3, 32], bytes(192))}, (DOWN,)),
                ({"scales": ("I32", [3, 64], bytes(768))}, ("scales",)),
                ({"qzeros": ("I32", [3, 4], bytes(48))}, ("4 or 8 bits",)),
                ({"qweight": ("I32", [12, 48], bytes(2304))}, ("GEMM",)),
                ({"qweight": ("I32", [16, 64], bytes(4096))}, (DOWN,)),
                ({"g_idx": ("I32", [96], struct.pack("<96i", *[3] * 96))}, ("g_idx",)),
                ({"g_idx": ("I32", [96], struct.pack("<96i", *[-1] * 96))}, ("g_idx",)),
                ({"g_idx": ("I64", [96], bytes(768))}, ("g_idx",)),
                ({"scales": ("F16", [3, 64], infinite)}, (DOWN, "row 63"))):
            parts = {name: part for name, part in (good | changes).items() if part}
            self.put(DOWN, parts)
            self.refused(*words)


def bpe(merges, extra=None, **more):
    """A tokenizer.json: letters, merges, and two added tokens."""
    alphabet = [chr(c) for c in range(33, 53)] + ["\u0120"]
    vocab = {text: i for i, text in enumerate(alphabet)}
    for merge in merges:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        vocab.setdefault((left + right).replace(" ", "\u0120"), len(vocab))
    added = [{"id": len(vocab) + i, "content": text, "special": special}
             for i, (text, special) in enumerate((("<|begin|>", True), ("<tool>", False)))]
    split = {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": PATTERN.replace("DIGITS", "\\p{N}{1,3}")}, "behavior": "Isolated",
         "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}
    value = {"added_tokens": added, "pre_tokenizer": split, "post_processor": {"type": "ByteLevel"},
             "model": {"type": "BPE", "vocab": vocab, "merges": merges, "ignore_merges": True} | (extra or {})}
    return value | more


PATTERN = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|DIGITS| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
           "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")


class Tokenizers(Case):
    def setUp(self):
        super().setUp()
        mf.write_model(self.folder, "llama")

    def bpe(self, *args, **kwargs):
        (self.folder / "tokenizer.model").unlink(missing_ok=True)
        mf.write_json(self.folder / "tokenizer.json", bpe(*args, **kwargs))

    def kv(self, *options):
        return {key.removeprefix("tokenizer.ggml."): value for key, value in self.convert(*options).kv.items()
                if key.startswith("tokenizer.")}

    def test_sentencepiece(self):
        kv = self.kv()
        pieces = mf.small_pieces(Shape.vocabulary)
        self.assertEqual((kv["model"], kv["pre"]), ("llama", "default"))
        self.assertEqual(kv["tokens"], [p[0] for p in pieces])
        self.assertEqual(kv["scores"], [p[1] for p in pieces])
        self.assertEqual(kv["token_type"], [p[2] for p in pieces])
        self.assertEqual((kv["bos_token_id"], kv["eos_token_id"], kv["unknown_token_id"]), (1, 2, 0))
        self.assertTrue(kv["add_space_prefix"])
        self.assertNotIn("padding_token_id", kv)
        self.assertNotIn("remove_extra_whitespaces", kv)
        path = self.folder / "tokenizer.model"
        path.write_bytes(mf.sentencepiece(pieces, prefix=0, squeeze=1))
        kv = self.kv()
        self.assertEqual((kv["add_space_prefix"], kv["remove_extra_whitespaces"]), (False, True))
        path.write_bytes(mf.sentencepiece(pieces, model_type=1))
        self.refused("tokenizer.model", "unigram")
        whole = mf.sentencepiece(pieces)
        for content in (b"", whole[:100], b"\x0a\xff\xff\xff\xff\x0f", b"\x0b" + whole, b"\x0a\x02\x12\x00"):
            path.write_bytes(content)
            self.refused("tokenizer.model", "damaged")
        path.unlink()
        self.refused("neither tokenizer.model nor tokenizer.json")

    def test_added_tokens_and_padding(self):
        pieces = mf.small_pieces(30)
        (self.folder / "tokenizer.model").write_bytes(mf.sentencepiece(pieces))
        mf.write_json(self.folder / "added_tokens.json", {"<extra>": 30, "<far>": 9999})
        mf.write_json(self.folder / "tokenizer_config.json", {
            "added_tokens_decoder": {"31": {"content": "<|im_end|>", "special": False},
                                     "32": {"content": "\u2581\u2581x", "special": False},
                                     "33": {"content": "<s2>", "special": True}},
            "bos_token": {"content": "<s2>"}, "eos_token": "<|im_end|>", "pad_token": "<extra>",
            "add_bos_token": False, "add_eos_token": True, "chat_template": "plain"})
        kv = self.kv()
        self.assertEqual(kv["tokens"][30:35], ["<extra>", "<|im_end|>", "  x", "<s2>", "[PAD34]"])
        self.assertEqual(kv["token_type"][30:35], [4, 3, 4, 3, 5])
        self.assertEqual(kv["scores"][30:35], [-1000.0] * 4 + [-10000.0])
        self.assertEqual((kv["bos_token_id"], kv["eos_token_id"], kv["padding_token_id"]), (33, 31, 30))
        self.assertEqual((kv["add_bos_token"], kv["add_eos_token"]), (False, True))
        self.assertEqual(len(kv["tokens"]), Shape.vocabulary)
        (self.folder / "tokenizer.model").write_bytes(mf.sentencepiece(mf.small_pieces(50)))
        (self.folder / "tokenizer_config.json").unlink()
        (self.folder / "added_tokens.json").unlink()
        said = self.edgelm("convert", self.folder, "-o", self.output)
        self.assertEqual(said.returncode, 0)
        self.assertIn("40 rows for 50 tokens", said.stderr)
        self.assertEqual(mf.Gguf(self.output).kv["tokenizer.ggml.tokens"], [p[0] for p in mf.small_pieces(40)])
        mf.write_json(self.folder / "tokenizer_config.json", {"added_tokens_decoder": {"x": {"content": "y"}}})
        self.refused("tokenizer_config.json", "added_tokens_decoder")

    def test_chat_template(self):
        config = self.folder / "tokenizer_config.json"
        template = lambda: self.convert().kv["tokenizer.chat_template"]
        mf.write_json(config, {"chat_template": [{"name": "tool_use", "template": "T"},
                                                 {"name": "default", "template": "D"}]})
        self.assertEqual(template(), "D")
        mf.write_json(config, {"chat_template": "C"})
        self.assertEqual(template(), "C")
        mf.write_json(self.folder / "chat_template.json", {"chat_template": "J"})
        self.assertEqual(template(), "J")
        (self.folder / "chat_template.jinja").write_text("{{ jinja }}\n")
        self.assertEqual(template(), "{{ jinja }}\n")

    def test_bpe(self):
        for merges in (["\u0120 !", "! \"", "\u0120! \""], [["\u0120", "!"], ["!", '"'], [" !", '"']]):
            self.bpe(merges)
            kv = self.kv()
            self.assertEqual((kv["model"], kv["pre"]), ("gpt2", "llama-bpe"))
            self.assertEqual(kv["merges"], ["\u0120 !", "! \"", "\u0120! \""])
            self.assertEqual(kv["tokens"][20:27], ["\u0120", "\u0120!", "!\"", "\u0120!\"", "<|begin|>", "<tool>", "[PAD26]"])
            self.assertEqual(kv["token_type"][20:27], [1, 1, 1, 1, 3, 4, 5])
            self.assertNotIn("scores", kv)
            self.assertFalse(kv["add_bos_token"])
        self.runs()
        self.bpe(["! !"], post_processor={"type": "Sequence", "processors": [
            {"type": "ByteLevel"}, {"type": "TemplateProcessing", "single": [
                {"SpecialToken": {"id": "<|begin|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}]})
        kv = self.kv()
        self.assertTrue(kv["add_bos_token"])
        self.assertEqual(kv["tokens"][kv["bos_token_id"]], "<|begin|>")

    def test_pretokenizers(self):
        bytes_only = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}

        def split(pattern):
            return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        after = bytes_only | {"use_regex": False}
        for description, ignore, name in (
                ([split(PATTERN.replace("DIGITS", "\\p{N}")), after], False, "qwen2"),
                ([split(PATTERN.replace("DIGITS", "\\p{N}{1,3}")), after], False, "dbrx"),
                ([split(PATTERN.replace("DIGITS", "\\p{N}{1,3}")), after], True, "llama-bpe"),
                ([{"type": "Digits", "individual_digits": True}, bytes_only], False, "smollm"),
                ([bytes_only], False, "gpt-2"), (bytes_only, False, "gpt-2")):
            if isinstance(description, list):
                description = {"type": "Sequence", "pretokenizers": description}
            self.bpe(["! !"], {"ignore_merges": ignore}, pre_tokenizer=description)
            self.assertEqual(self.kv()["pre"], name)
        for description in (None, {"type": "Whitespace"}, split("\\w+"), bytes_only | {"add_prefix_space": True},
                            {"type": "Digits"}, split(PATTERN) | {"behavior": "Removed"}):
            self.bpe(["! !"], pre_tokenizer=description)
            self.refused("tokenizer.json", "--pre NAME")
        self.assertEqual(self.kv("--pre", "smaug-bpe")["pre"], "smaug-bpe")

    def test_sentencepiece_in_other_clothes(self):
        vocab = {"<unk>": 0, "<s>": 1, "</s>": 2, "<0x0A>": 3, "\u2581": 4, "a": 5, "\u2581a": 6}
        added = [{"id": 1, "content": "<s>", "special": True}, {"id": 7, "content": "<more>", "special": True}]
        tokenizer = {"added_tokens": added, "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u2581"}]}, "model": {
                "type": "BPE", "byte_fallback": True, "unk_token": "<unk>", "vocab": vocab, "merges": ["\u2581 a"]}}
        (self.folder / "tokenizer.model").unlink()
        mf.write_json(self.folder / "tokenizer.json", tokenizer)
        kv = self.kv()
        self.assertEqual(kv["model"], "llama")
        self.assertEqual(kv["token_type"][:8], [2, 1, 1, 6, 1, 1, 1, 3])
        self.assertEqual(kv["scores"][4:7], [-4, -5, -6])
        self.assertTrue(kv["add_space_prefix"])
        del tokenizer["normalizer"]
        mf.write_json(self.folder / "tokenizer.json", tokenizer)
        self.assertFalse(self.kv()["add_space_prefix"])

    def test_refused(self):
        for change, words in (({"vocab": {"a": 0, "b": 0}}, ("same id 0",)), ({"vocab": {"a": -1}}, ("\"a\"",)),
                              ({"vocab": {"a": 1.5}}, ("whole number",)), ({"vocab": []}, ("no vocab",)),
                              ({"type": "Unigram"}, ("Unigram",)), ({"merges": [1]}, ("merge",)),
                              ({"merges": [["a"]]}, ("merge",)), ({"merges": {}}, ("BPE",))):
            self.bpe(["! !"], change)
            self.refused("tokenizer.json", *words)


class Llama2c(Case):
    """Checkpoints in the layout of llama2.c, written from its description."""

    KINDS = (("attn_norm", (64,)), ("attn_q", (64, 64)), ("attn_k", (32, 64)), ("attn_v", (32, 64)),
             ("attn_output", (64, 64)), ("ffn_norm", (64,)), ("ffn_gate", (96, 64)), ("ffn_down", (64, 96)),
             ("ffn_up", (96, 64)))

    def write(self, shared):
        generator = random.Random(5)
        want, data = {}, struct.pack("<7i", 64, 96, 2, 4, 2, 40 if shared else -40, 32)

        def put(name, count):
            nonlocal data
            want[name] = mf.numbers(generator, count)
            data += mf.encode(want[name], F32)
        put("token_embd", 40 * 64)
        for kind, shape in self.KINDS:
            for layer in range(2):
                put(f"blk.{layer}.{kind}", shape[0] * (shape[1] if len(shape) > 1 else 1))
        put("output_norm", 64)
        data += bytes(32 * 16 * 4)
        if not shared:
            put("output", 40 * 64)
        self.root.mkdir(exist_ok=True)
        self.folder = self.root / "stories.bin"
        self.folder.write_bytes(data)
        tokens = [b"<unk>", b"\n<s>\n", b"\n</s>\n", b"<0x0A>", b" the"] + [b"w%d" % i for i in range(35)]
        self.vocabulary = struct.pack("<i", 6) + b"".join(
            struct.pack("<fi", -float(i), len(t)) + t for i, t in enumerate(tokens))
        (self.root / "tokenizer.bin").write_bytes(self.vocabulary)
        return want

    def test_tensors_and_tokens(self):
        for shared in (True, False):
            want = self.write(shared)
            gguf = self.convert("--type", "f32")
            self.assertEqual(len(gguf.tensors), len(want))
            for name, values in want.items():
                self.assertEqual(gguf.floats(name + ".weight"), values, name)
            kv = gguf.kv
            self.assertEqual((kv["general.name"], kv["llama.context_length"], kv["llama.attention.head_count_kv"]),
                             ("stories", 32, 2))
            self.assertEqual(kv["tokenizer.ggml.tokens"][:6], ["<unk>", "<s>", "</s>", "<0x0A>", "\u2581the", "w0"])
            self.assertEqual(kv["tokenizer.ggml.token_type"][:6], [2, 3, 3, 6, 1, 1])
            self.assertEqual(kv["tokenizer.ggml.scores"][5], -5)
            self.runs()

    def test_damaged(self):
        self.write(False)
        whole = self.folder.read_bytes()
        for content, words in ((b"", ("header",)), (whole[:-4], ("stories.bin",)), (whole + bytes(4), ("asks for",)),
                               (struct.pack("<7i", 64, 96, 2, 5, 2, 40, 32) + whole[28:], ("header",)),
                               (struct.pack("<7i", 1 << 20, 1 << 20, 1024, 4, 2, 40, 32) + whole[28:], ("cut off",)),
                               (struct.pack("<7i", -64, 96, 2, 4, 2, 40, 32) + whole[28:], ("header",))):
            self.folder.write_bytes(content)
            self.refused(*words)
        self.folder.write_bytes(whole)
        for content in (b"", self.vocabulary[:-1], self.vocabulary[:8] + b"\xff\xff\xff\x7f" + self.vocabulary[12:]):
            (self.root / "tokenizer.bin").write_bytes(content)
            self.refused("tokenizer.bin", "of this model")
        (self.root / "tokenizer.bin").unlink()
        self.refused("--tokenizer")
        other = self.root / "other.bin"
        other.write_bytes(self.vocabulary)
        self.convert("--tokenizer", other)


class RoundTrips(Case):
    def back(self, model, *options, **kwargs):
        """The model, exported and converted."""
        folder, again = self.root / "exported", self.root / "again.gguf"
        shutil.rmtree(folder, ignore_errors=True)
        self.good("export", model, "-o", folder, *options, **kwargs)
        self.good("convert", folder, "-o", again, "--type", "auto")
        return again

    def assert_holds(self, model, again):
        """All that the first says, the second says too: tensors bit by bit, and metadata."""
        first, second = mf.Gguf(model), mf.Gguf(again)
        self.assertEqual(first.tensors, second.tensors)
        for key, value in first.kv.items():
            if value != 0xffffffff and key not in ("general.file_type", "tokenizer.ggml.pre"):
                self.assertEqual(second.kv.get(key), value, key)
        return second

    def test_every_family_byte_by_byte(self):
        for family in mf.FAMILIES:
            more = {"rope_scaling": {"type": "yarn", "factor": 3.7, "original_max_position_embeddings": 77,
                                     "attention_factor": 1.23, "beta_slow": 1.5}} if family == "qwen2" else {}
            for dtype in ("F16", "BF16", "F32"):
                with self.subTest(family=family, dtype=dtype):
                    mf.write_model(self.folder, family, dtype, _name_or_path="small", **more)
                    self.convert("--type", "auto")
                    self.assertEqual(self.back(self.output).read_bytes(), self.output.read_bytes())

    def test_exported_weights_are_the_source(self):
        for family in ("llama", "gemma3_text", "phi3"):
            mf.write_model(self.folder, family, "F16")
            self.convert("--type", "auto")
            self.back(self.output)
            source = mf.read_safetensors(self.folder / "model.safetensors")
            for name, (dtype, shape, data) in mf.read_safetensors(self.root / "exported/model.safetensors").items():
                values = struct.unpack(f"<{len(source[name][2]) // 2}e", source[name][2])
                self.assertEqual((shape, data), (source[name][1], mf.encode(values, dtype)), name)

    def test_scalings(self):
        half = Shape.head // 2
        divisors = [1.0 + 0.37 * i for i in range(half)]
        for scaling in ({"type": "linear", "factor": 3.3},
                        {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 8192},
                        {"rope_type": "llama3", "factor": 3.0, "low_freq_factor": 1.1, "high_freq_factor": 3.0,
                         "original_max_position_embeddings": 500},
                        {"type": "longrope", "long_factor": divisors, "short_factor": divisors, "attention_factor": 1.0},
                        {"type": "yarn", "factor": 2.0}):
            with self.subTest(scaling=scaling):
                mf.write_model(self.folder, "llama", "F16", _name_or_path="small", rope_scaling=scaling)
                self.convert("--type", "auto")
                self.assertEqual(self.back(self.output).read_bytes(), self.output.read_bytes())
        for scaling in ({"type": "longrope", "long_factor": divisors, "short_factor": [1.0] * half},):
            mf.write_model(self.folder, "phi3", "F16", _name_or_path="small", rope_scaling=scaling,
                           max_position_embeddings=2048)
            self.convert("--type", "auto")
            self.assertEqual(self.back(self.output).read_bytes(), self.output.read_bytes())

    def test_bpe(self):
        mf.write_model(self.folder, "qwen2", "F16", _name_or_path="small")
        (self.folder / "tokenizer.model").unlink()
        mf.write_json(self.folder / "tokenizer.json", bpe(["! !", "\u0120 !"], post_processor={
            "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|begin|>", "type_id": 0}},
                                                     {"Sequence": {"id": "A", "type_id": 0}}]}))
        mf.write_json(self.folder / "tokenizer_config.json", {"eos_token": "<tool>", "chat_template": "{{ x }}"})
        self.convert("--type", "auto")
        again = self.back(self.output)
        self.assert_holds(self.output, again)
        first = again.read_bytes()
        self.assertEqual(self.back(again).read_bytes(), first)

    def test_quantised_weights_are_decoded(self):
        mf.write_model(self.folder, "llama", "F16")
        coded = Coded(64, 96, zero=8)

        def change(tensors):
            del tensors[DOWN + ".weight"]
            tensors.update({f"{DOWN}.{suffix}": part for suffix, part in coded.gptq(1).items()})
        self.change_tensors(change)
        self.convert("--type", "auto")
        for option, dtype in (("f32", "F32"), ("auto", "F16"), ("bf16", "BF16")):
            folder = self.root / option
            self.good("export", self.output, "-o", folder, "--type", option)
            tensor = mf.read_safetensors(folder / "model.safetensors")[DOWN + ".weight"]
            self.assertEqual(tensor[:2], (dtype, [64, 96]))
            if option == "f32":
                want = [coded.value(r, c) for r in range(64) for c in range(96)]
                self.assertEqual(tensor[2], mf.encode(want, F32))

    def test_what_cannot_be_exported(self):
        mf.write_model(self.folder, "llama")
        self.convert()
        for target, words in ((self.output, "Not a directory"), (self.folder, "not empty"),
                              (self.root / "no" / "folder", "No such file")):
            result = self.edgelm("export", self.output, "-o", target)
            self.assertEqual(result.returncode, 1)
            self.assertIn(words, result.stderr)
        result = self.edgelm("export", self.folder / "config.json", "-o", self.root / "x")
        self.assertEqual(result.returncode, 1)
        self.assertFalse((self.root / "x").exists())

    def test_golden_models(self):
        models = sorted((convert_case.GOLDEN / "models").glob("*.gguf"))
        if not models:
            self.skipTest("no golden data")
        for model in models:
            kind = model.stem.rpartition("-")[2]
            with self.subTest(model=model.name):
                again = self.back(model, "--type", "f32")
                if kind in ("F32", "F16", "BF16"):
                    again = self.back(model)
                    self.assert_holds(model, again)
                truth = convert_case.GOLDEN / "logits" / (model.stem.removeprefix("tiny-") + ".exact.bin")
                if kind in ("F32", "Q8_0", "Q4_K_M") and truth.exists():
                    figures = json.loads(self.good("eval", "logits", again, truth, "--compare", truth, "--json",
                                                   "--no-engine-cache"))
                    self.assertLess(figures["nmse"], 1e-6)

    def test_golden_vocabularies(self):
        """A small model with each vocabulary: the same tokens come back."""
        names = ("llama-bpe", "llama-spm", "phi-3", "qwen2")
        files = [convert_case.GOLDEN / f"tokenizer/ggml-vocab-{name}.gguf" for name in names]
        if not all(file.exists() for file in files):
            self.skipTest("no golden data")
        for file in files:
            with self.subTest(vocabulary=file.name):
                model = self.root / "model.gguf"
                mf.write_vocabulary_model(file, model)
                self.assert_holds(model, self.back(model))
                text = "Grüße, 12345 words\n\tand  more: <|x|> it's 東京"
                ids = [self.good("tokenize", path, text) for path in (model, self.root / "again.gguf")]
                self.assertEqual(ids[0], ids[1])


if __name__ == "__main__":
    convert_case.main()
