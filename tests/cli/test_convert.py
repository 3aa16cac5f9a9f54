#!/usr/bin/env python3
"""Black-box tests of `edgelm convert`: families, rope scaling, and the files of a folder.

usage: test_convert.py PATH-OF-EDGELM FOLDER-OF-GOLDEN-DATA
"""

import json
import math
import resource
import signal
import struct

import convert_case
import model_files as mf
from convert_case import Case
from model_files import BF16, F16, F32, Q8_0, Shape


class Families(Case):
    def test_tensors_of_every_family_and_type(self):
        for family in mf.FAMILIES:
            for dtype in ("F32", "F16", "BF16"):
                with self.subTest(family=family, dtype=dtype):
                    model = mf.write_model(self.folder, family, dtype)
                    gguf = self.convert("--type", "auto")
                    want = mf.expected(family, model)
                    self.assertEqual(sorted(gguf.tensors), sorted(want))
                    for name, values in want.items():
                        kind, dims, data = gguf.tensors[name]
                        vector = len(dims) == 1
                        self.assertEqual(kind, F32 if vector else {"F32": F32, "F16": F16, "BF16": BF16}[dtype], name)
                        self.assertEqual(data, mf.encode(values, kind), name)
                    self.runs()

    def test_types_asked_for(self):
        model = mf.expected("llama", mf.write_model(self.folder, "llama", "BF16"))
        for option, kind in (("f32", F32), ("f16", F16), ("bf16", BF16), (None, F16)):
            gguf = self.convert(*(["--type", option] if option else []))
            self.assertEqual(gguf.tensors["token_embd.weight"],
                             (kind, (64, 40), mf.encode(model["token_embd.weight"], kind)))
            self.assertEqual(gguf.tensors["output_norm.weight"][0], F32)
            self.assertEqual(gguf.kv["general.file_type"], {F32: 0, F16: 1, BF16: 32}[kind])
        gguf = self.convert("--type", "q8_0")
        kind, _, data = gguf.tensors["blk.1.ffn_up.weight"]
        self.assertEqual(kind, Q8_0)
        want = model["blk.1.ffn_up.weight"]
        for block in range(len(data) // 34):
            scale = mf.half(struct.unpack_from("<H", data, block * 34)[0])
            for i, code in enumerate(struct.unpack_from("<32b", data, block * 34 + 2)):
                self.assertAlmostEqual(code * scale, want[block * 32 + i], delta=2 / 127)
        self.runs()

    def test_metadata(self):
        mf.write_model(self.folder, "qwen3", rope_theta=5e5, _name_or_path="someone/Small-Model")
        kv = self.convert().kv
        want = {
            "general.architecture": "qwen3", "general.name": "Small-Model", "qwen3.block_count": 2,
            "qwen3.embedding_length": 64, "qwen3.feed_forward_length": 96, "qwen3.context_length": 256,
            "qwen3.attention.head_count": 4, "qwen3.attention.head_count_kv": 2,
            "qwen3.attention.key_length": 32, "qwen3.attention.value_length": 32, "qwen3.vocab_size": 40,
            "qwen3.rope.freq_base": 5e5, "general.quantization_version": 2,
        }
        self.assertEqual({key: kv.get(key) for key in want}, want)
        self.assertAlmostEqual(kv["qwen3.attention.layer_norm_rms_epsilon"], 1e-5, delta=1e-12)
        self.change_config(_name_or_path="")
        self.good("convert", ".", "-o", self.output, cwd=self.folder)
        self.assertEqual(mf.Gguf(self.output).kv["general.name"], "source")
        mf.write_model(self.folder, "gemma2")
        kv = self.convert("--name", "another").kv
        self.assertEqual(kv["general.name"], "another")
        self.assertEqual((kv["gemma2.attn_logit_softcapping"], kv["gemma2.final_logit_softcapping"],
                          kv["gemma2.attention.sliding_window"]), (50, 30, 4096))

    def test_text_part_of_a_larger_model(self):
        model = mf.write_model(self.folder, "gemma3_text")
        plain = self.convert().tensors
        inner = mf.config("gemma3_text")
        mf.write_json(self.folder / "config.json", {"model_type": "gemma3", "text_config": inner})

        def rename(tensors):
            for name in list(tensors):
                tensors["language_model." + name] = tensors.pop(name)
            tensors["vision_tower.patch.weight"] = ("F32", [2], bytes(8))
        self.change_tensors(rename)
        self.assertEqual(self.convert().tensors, plain)
        self.assertEqual(len(plain), len(mf.expected("gemma3_text", model)))

    def test_tied_output(self):
        mf.write_model(self.folder, "llama", tie_word_embeddings=True)
        self.assertNotIn("output.weight", self.convert().tensors)
        self.change_config(tie_word_embeddings=False)
        self.assertIn("output.weight", self.convert().tensors)

    def test_windows(self):
        types = ["sliding_attention", "full_attention"]
        mf.write_model(self.folder, "gemma3_text", layer_types=types)
        self.assertEqual(self.convert().kv["gemma3.attention.sliding_window_pattern"], 2)
        self.change_config(layer_types=types[::-1])
        self.refused("layer_types", "not supported")

    def test_what_cannot_be_said_is_refused(self):
        mf.write_model(self.folder, "llama")
        for values, words in (
                ({"model_type": "mamba"}, ("mamba", "llama, mistral")), ({"num_local_experts": 8}, ("mixture",)),
                ({"hidden_act": "relu"}, ("hidden_act", "relu")), ({"hidden_size": 0}, ("config.json",)),
                ({"hidden_size": "64"}, ("hidden_size", "not a number")),
                ({"num_attention_heads": 3}, ("3 heads",)), ({"num_hidden_layers": 3}, ("layers.2.", "missing")),
                ({"intermediate_size": 97}, ("96 x 64", "97 x 64")),
                ({"max_position_embeddings": -1}, ("max_position_embeddings",))):
            before = (self.folder / "config.json").read_text()
            self.change_config(**values)
            self.refused(*words)
            (self.folder / "config.json").write_text(before)
        self.change_tensors(lambda tensors: tensors.update({"model.layers.0.extra.weight": ("F32", [1], bytes(4))}))
        self.refused("model.layers.0.extra.weight", "model.safetensors")
        self.change_tensors(lambda tensors: tensors.update(
            {"model.layers.0.self_attn.q_proj.weight_packed": ("I32", [1], bytes(4))}))
        self.refused("compressed-tensors", "unquantised")


class Rope(Case):
    def kv(self, family="llama", **values):
        mf.write_model(self.folder, family, **values)
        return self.convert()

    def test_linear(self):
        for values in ({"rope_scaling": {"type": "linear", "factor": 4}},
                       {"rope_scaling": {"rope_type": "linear", "factor": 4.0}},
                       {"rope_theta": None,
                        "rope_parameters": {"rope_type": "linear", "factor": 4, "rope_theta": 10000}}):
            gguf = self.kv(**values)
            self.assertEqual((gguf.kv["llama.rope.scaling.type"], gguf.kv["llama.rope.scaling.factor"],
                              gguf.kv["llama.rope.freq_base"]), ("linear", 4, 10000))

    def test_yarn(self):
        gguf = self.kv("qwen2", rope_scaling={"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64,
                                              "attention_factor": 1.5, "beta_fast": 16})
        kv = gguf.kv
        self.assertEqual((kv["qwen2.rope.scaling.type"], kv["qwen2.rope.scaling.original_context_length"],
                          kv["qwen2.rope.scaling.yarn_beta_fast"]), ("yarn", 64, 16))
        self.assertAlmostEqual(kv["qwen2.rope.scaling.attn_factor"], 1.5 / (1 + 0.1 * math.log(4)), delta=1e-6)
        self.assertNotIn("qwen2.rope.scaling.yarn_beta_slow", kv)

    def test_llama3(self):
        gguf = self.kv(rope_theta=500000.0, rope_scaling={
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192})
        _, dims, _ = gguf.tensors["rope_freqs.weight"]
        self.assertEqual(dims, (Shape.head // 2,))
        for i, divisor in enumerate(gguf.floats("rope_freqs.weight")):
            wave = 2 * math.pi * 500000 ** (2 * i / Shape.head)
            smooth = (8192 / wave - 1) / (4 - 1)
            want = 1 if wave < 8192 / 4 else 8 if wave > 8192 else 1 / ((1 - smooth) / 8 + smooth)
            self.assertAlmostEqual(divisor, want, delta=1e-5)
        self.runs()

    def test_longrope(self):
        half = Shape.head // 2
        lists = {"long_factor": [1.0 + i for i in range(half)], "short_factor": [1.0] * half}
        gguf = self.kv("phi3", rope_scaling={"type": "su", **lists}, max_position_embeddings=1024)
        self.assertEqual(gguf.floats("rope_factors_long.weight"), lists["long_factor"])
        self.assertEqual(gguf.floats("rope_factors_short.weight"), lists["short_factor"])
        self.assertEqual(gguf.kv["phi3.rope.scaling.original_context_length"], 256)
        self.assertAlmostEqual(gguf.kv["phi3.rope.scaling.attn_factor"],
                               math.sqrt(1 + math.log(4) / math.log(256)), delta=1e-6)
        self.runs()
        self.change_config(rope_scaling={"type": "longrope", **lists, "long_factor": [1.0]})
        self.refused("long_factor", "1 numbers, not 8")

    def test_gemma3_has_two_bases(self):
        gguf = self.kv("gemma3_text", rope_theta=None, rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 20000.0}})
        kv = gguf.kv
        self.assertEqual((kv["gemma3.rope.freq_base"], kv["gemma3.rope.freq_base_swa"],
                          kv["gemma3.rope.scaling.factor"]), (1e6, 20000, 8))

    def test_partial_rotation(self):
        self.assertEqual(self.kv("phi3", partial_rotary_factor=0.75).kv["phi3.rope.dimension_count"], 12)
        self.runs()

    def test_refused(self):
        mf.write_model(self.folder, "llama")
        for scaling, words in (({"rope_type": "ntk-parts", "factor": 2}, ("ntk-parts",)),
                               ({"rope_type": "linear"}, ("factor",)), ({"type": "yarn", "factor": "4"}, ("factor",)),
                               ({"type": "llama3", "factor": 8, "low_freq_factor": 4}, ("low_freq_factor",))):
            self.change_config(rope_scaling=scaling)
            self.refused("config.json", *words)
        mf.write_model(self.folder, "gemma3_text", rope_local_base_freq=1e300)
        self.refused("config.json", "rope_local_base_freq")


class Files(Case):
    def test_shards(self):
        mf.write_model(self.folder, "llama")
        single = self.convert().tensors
        path = self.folder / "model.safetensors"
        tensors = mf.read_safetensors(path)
        path.unlink()
        names = sorted(tensors)
        shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
        for file, part in shards.items():
            mf.write_safetensors(self.folder / file, {name: tensors[name] for name in part})
        index = {name: file for file, part in shards.items() for name in part}
        mf.write_json(self.folder / "model.safetensors.index.json", {"weight_map": index})
        self.assertEqual(self.convert().tensors, single)
        first = names[0]
        for file, words in (("../model.safetensors", ("not the name",)), (".hidden.safetensors", ("not the name",)),
                            ("other.safetensors", ("other.safetensors",)),
                            ("model-00002-of-00002.safetensors", (first, "different downloads"))):
            mf.write_json(self.folder / "model.safetensors.index.json", {"weight_map": index | {first: file}})
            self.refused(*words)
        (self.folder / "model.safetensors.index.json").unlink()
        self.refused("2 .safetensors files", "index")
        (self.folder / "model-00002-of-00002.safetensors").unlink()
        self.refused("missing")

    def test_other_folders(self):
        self.refused("source", "no such file or folder")
        mf.write_model(self.folder, "llama")
        (self.folder / "model.safetensors").unlink()
        self.refused("no .safetensors files")
        (self.folder / "pytorch_model.bin").write_bytes(b"")
        self.refused("safe_serialization")
        (self.folder / "config.json").unlink()
        self.refused("config.json", "No such file")

    def test_hostile_headers(self):
        mf.write_model(self.folder, "llama")
        path = self.folder / "model.safetensors"
        whole = path.read_bytes()
        name = "model.norm.weight"
        entry = {"dtype": "F32", "shape": [64], "data_offsets": [0, 256]}

        def header(text):
            return struct.pack("<Q", len(text)) + text.encode() + bytes(512)
        for content, words in (
                (b"", ("too short",)), (whole[:7], ("too short",)), (whole[:-1], ("does not lie within", "downloaded")),
                (struct.pack("<Q", 1 << 63) + whole[8:], ("header",)), (struct.pack("<Q", len(whole)) + whole[8:], ("header",)),
                (header("[]"), ("not an object",)), (header("{"), ("invalid JSON",)),
                (header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
                        '"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'), ("duplicate",)),
                (header(json.dumps({name: entry, "b": entry | {"data_offsets": [252, 508]}})), ("overlap", "offset")),
                (header(json.dumps({name: entry | {"data_offsets": [256, 0]}})), (name, "does not lie within")),
                (header(json.dumps({name: entry | {"data_offsets": [0, 252]}})), (name, "252 bytes", "256")),
                (header(json.dumps({name: entry | {"data_offsets": [-1, 255]}})), (name, "data_offsets")),
                (header(json.dumps({name: entry | {"shape": [1 << 62, 16]}})), (name, "too large")),
                (header(json.dumps({name: entry | {"shape": [-64]}})), (name, "whole number")),
                (header(json.dumps({name: entry | {"shape": [1] * 9}})), (name, "at most 8")),
                (header(json.dumps({name: entry | {"dtype": "F7"}})), (name, "F7")),
                (header(json.dumps({"a\nb": entry})), ("plain text",)),
                (header(json.dumps({name: 7})), (name, "not an object"))):
            path.write_bytes(content)
            self.refused("model.safetensors", *words)

    def test_weights_that_are_no_numbers(self):
        for value, words in ((math.nan, ("nan",)), (math.inf, ("inf",)), (70000.0, ("70000", "bf16"))):
            mf.write_model(self.folder, "llama")

            def spoil(tensors):
                dtype, shape, data = tensors["model.layers.1.mlp.up_proj.weight"]
                at = 4 * (64 * 5 + 7)
                tensors["model.layers.1.mlp.up_proj.weight"] = (
                    dtype, shape, data[:at] + struct.pack("<f", value) + data[at + 4:])
            self.change_tensors(spoil)
            self.refused("model.layers.1.mlp.up_proj.weight", "weight 7 of row 5", *words)
        self.convert("--type", "bf16")

    def test_full_disk(self):
        mf.write_model(self.folder, "llama")

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        result = self.edgelm("convert", self.folder, "-o", self.output, preexec_fn=limit)
        self.assertEqual(result.returncode, 1)
        self.assertIn("out.gguf", result.stderr)
        self.assertEqual(list(self.root.glob("out.gguf*")), [])
        self.convert("--type", "f32")
        folder = self.root / "exported"
        result = self.edgelm("export", self.output, "-o", folder, preexec_fn=limit)
        self.assertEqual(result.returncode, 1)
        self.assertIn("model.safetensors", result.stderr)
        self.assertFalse(folder.exists())

    def test_memory_does_not_grow_with_the_model(self):
        """A matrix of 16 MiB goes through 12 MiB of memory that is not the file."""
        width, vocabulary = 1024, 4096
        mf.write_model(self.folder, "llama")
        settings = mf.config("llama", hidden_size=width, num_attention_heads=64, num_key_value_heads=2,
                             head_dim=16, vocab_size=vocabulary, num_hidden_layers=1)
        mf.write_json(self.folder / "config.json", settings)
        (self.folder / "tokenizer.model").write_bytes(mf.sentencepiece(mf.small_pieces(vocabulary)))
        shapes = {"model.embed_tokens": (vocabulary, width), "lm_head": (vocabulary, width), "model.norm": (width,)}
        layer = {"input_layernorm": (width,), "post_attention_layernorm": (width,), "self_attn.q_proj": (1024, width),
                 "self_attn.k_proj": (32, width), "self_attn.v_proj": (32, width), "self_attn.o_proj": (width, 1024),
                 "mlp.gate_proj": (96, width), "mlp.up_proj": (96, width), "mlp.down_proj": (width, 96)}
        shapes |= {f"model.layers.0.{name}": shape for name, shape in layer.items()}
        mf.write_safetensors(self.folder / "model.safetensors", {
            f"{name}.weight": ("F32", list(shape), bytes(4 * math.prod(shape))) for name, shape in shapes.items()})

        def limit():
            resource.setrlimit(resource.RLIMIT_DATA, (12 << 20, 12 << 20))
        if self.edgelm("--help", preexec_fn=limit).returncode:
            self.skipTest("this build (of a sanitizer?) takes more memory just to start")
        self.good("convert", self.folder, "-o", self.output, "--type", "f32", preexec_fn=limit)
        self.assertEqual(mf.Gguf(self.output).tensors["token_embd.weight"][:2], (F32, (width, vocabulary)))
        self.good("export", self.output, "-o", self.root / "back", preexec_fn=limit)


if __name__ == "__main__":
    convert_case.main()
