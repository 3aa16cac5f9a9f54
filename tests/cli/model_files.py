"""Files of models, written and read by hand: what the tests of convert and export share.

Nothing here uses the program under test, so that the two can disagree.
"""

import json
import pathlib
import random
import struct

F32, F16, Q4_0, Q4_1, Q8_0, BF16 = 0, 1, 2, 3, 8, 30
BLOCK_BYTES = {F32: (1, 4), F16: (1, 2), BF16: (1, 2), Q4_0: (32, 18), Q4_1: (32, 20), Q8_0: (32, 34)}
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


# ---- numbers ----

def numbers(generator, count):
    """Multiples of 1/64 below 2: exact in F32, F16 and BF16, and plus one still in F32."""
    return [generator.randint(-127, 127) / 64 for _ in range(count)]


def encode(values, dtype):
    if dtype in ("F32", F32):
        return struct.pack(f"<{len(values)}f", *values)
    if dtype in ("F16", F16):
        return struct.pack(f"<{len(values)}e", *values)
    if dtype == "F64":
        return struct.pack(f"<{len(values)}d", *values)
    assert dtype in ("BF16", BF16)
    bits = struct.unpack(f"<{len(values)}I", struct.pack(f"<{len(values)}f", *values))
    return struct.pack(f"<{len(values)}H", *[b >> 16 for b in bits])


def half(bits):
    return struct.unpack("<e", struct.pack("<H", bits))[0]


# ---- GGUF ----

class Gguf:
    """Metadata in `kv`, tensors as name: (type, dims, bytes)."""

    def __init__(self, path):
        self.data = pathlib.Path(path).read_bytes()
        self.at = 0
        assert self.take("<4sI") == (b"GGUF", 3)
        tensors, keys = self.take("<QQ")
        self.kv = {}
        self.raw = {}  # the entries as they stand in the file
        for _ in range(keys):
            begin = self.at
            key = self.string().decode()
            self.kv[key] = self.value(self.take("<I")[0])
            self.raw[key] = self.data[begin:self.at]
        entries = []
        for _ in range(tensors):
            name = self.string().decode()
            dims = self.take(f"<{self.take('<I')[0]}Q")
            entries.append((name, dims, *self.take("<IQ")))
        alignment = self.kv.get("general.alignment", 32)
        base = -(-self.at // alignment) * alignment
        self.tensors = {}
        for name, dims, kind, offset in entries:
            elements = 1
            for size in dims:
                elements *= size
            per, size = BLOCK_BYTES[kind]
            begin = base + offset
            self.tensors[name] = (kind, dims, self.data[begin:begin + elements // per * size])

    def take(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def string(self):
        length, = self.take("<Q")
        self.at += length
        return self.data[self.at - length:self.at]

    def value(self, kind):
        if kind == 8:
            return self.string().decode("utf-8", "surrogateescape")
        if kind != 9:
            return self.take("<" + SCALARS[kind])[0]
        inner, count = self.take("<IQ")
        if inner == 8:
            return [self.value(inner) for _ in range(count)]
        return list(self.take(f"<{count}{SCALARS[inner]}"))

    def floats(self, name):
        kind, _, data = self.tensors[name]
        if kind == BF16:
            return [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0] for i in range(0, len(data), 2)]
        return list(struct.unpack(f"<{len(data) // (4 if kind == F32 else 2)}{'f' if kind == F32 else 'e'}", data))


def gguf_text(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def write_gguf(path, entries, tensors):
    """entries: encoded metadata; tensors: name: (dims, numbers), written as F32."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entries)
    data = b""
    for name, (dims, values) in tensors.items():
        data += bytes(-len(data) % 32)
        head += gguf_text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, F32, len(data))
        data += encode(values, F32)
    pathlib.Path(path).write_bytes(head + bytes(-len(head) % 32) + data)


def write_vocabulary_model(vocabulary, path):
    """The tokenizer of a GGUF file, and the weights of a llama of one layer."""
    source = Gguf(vocabulary)
    rows = len(source.kv["tokenizer.ggml.tokens"])
    sizes = {"context_length": 64, "embedding_length": 2, "block_count": 1, "feed_forward_length": 2,
             "attention.head_count": 1, "attention.head_count_kv": 1, "rope.dimension_count": 2}
    entries = [gguf_text("general.architecture") + struct.pack("<I", 8) + gguf_text("llama"),
               gguf_text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5)]
    entries += [gguf_text("llama." + key) + struct.pack("<II", 4, value) for key, value in sizes.items()]
    entries += [entry for key, entry in source.raw.items() if key.startswith("tokenizer.")]
    tensors = {"token_embd.weight": ((2, rows), [0.5] * (2 * rows)), "output_norm.weight": ((2,), [1, 1])}
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        tensors[f"blk.0.{name}.weight"] = ((2, 2), [0.25] * 4)
    for name in ("attn_norm", "ffn_norm"):
        tensors[f"blk.0.{name}.weight"] = ((2,), [1, 1])
    write_gguf(path, entries, tensors)


# ---- safetensors ----

def write_safetensors(path, tensors, header=None):
    """tensors: name: (dtype, shape, bytes). `header` replaces the JSON, for hostile files."""
    entries, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (dtype, shape, content) in tensors.items():
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = header if header is not None else json.dumps(entries).encode()
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    length, = struct.unpack_from("<Q", data)
    entries = json.loads(data[8:8 + length])
    entries.pop("__metadata__", None)
    at = lambda place: data[8 + length + place[0]:8 + length + place[1]]
    return {name: (e["dtype"], e["shape"], at(e["data_offsets"])) for name, e in entries.items()}


# ---- SentencePiece ----

def varint(value):
    out = b""
    value &= (1 << 64) - 1
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def sentencepiece(pieces, model_type=2, prefix=1, squeeze=0):
    """pieces: (text, score, type)."""
    out = b"".join(field(1, field(1, text) + field(2, float(score)) + (field(3, kind) if kind != 1 else b""))
                   for text, score, kind in pieces)
    out += field(2, field(3, model_type) + field(40, 0) + field(41, 1) + field(42, 2) + field(43, -1))
    return out + field(3, field(1, "identity") + field(3, prefix) + field(4, squeeze))


def small_pieces(count):
    special = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)]
    return special + [(f"\u2581{chr(97 + i % 26)}{i}", -float(i), 1) for i in range(count - 3)]


# ---- models ----

class Shape:
    vocabulary, width, layers, ffn, heads, kv_heads, head = 40, 64, 2, 96, 4, 2, 16


FAMILIES = {
    "llama": {}, "mistral": {"sliding_window": 4096}, "qwen2": {}, "qwen3": {"head_dim": 32},
    "gemma2": {"head_dim": 32, "query_pre_attn_scalar": 32, "hidden_activation": "gelu_pytorch_tanh"},
    "gemma3_text": {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 8,
                    "hidden_activation": "gelu_pytorch_tanh"},
    "phi3": {"sliding_window": None, "original_max_position_embeddings": 256},
}


def config(family, **more):
    s = Shape
    gemma = family.startswith("gemma")
    values = {
        "model_type": family, "architectures": ["AnyForCausalLM"], "hidden_size": s.width,
        "num_hidden_layers": s.layers, "intermediate_size": s.ffn, "num_attention_heads": s.heads,
        "num_key_value_heads": s.kv_heads, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "vocab_size": s.vocabulary, "tie_word_embeddings": gemma,
        "hidden_act": "gelu_pytorch_tanh" if gemma else "silu",
    }
    values.update(FAMILIES.get(family, {}))
    values.update(more)
    return values


def layer_shapes(family, head):
    """Matrices as (rows, columns), vectors as (length,)."""
    s = Shape
    query, key = s.heads * head, s.kv_heads * head
    shapes = {"input_layernorm": (s.width,), "post_attention_layernorm": (s.width,)}
    if family == "phi3":
        shapes |= {"self_attn.qkv_proj": (query + 2 * key, s.width), "mlp.gate_up_proj": (2 * s.ffn, s.width)}
    else:
        shapes |= {"self_attn.q_proj": (query, s.width), "self_attn.k_proj": (key, s.width),
                   "self_attn.v_proj": (key, s.width), "mlp.gate_proj": (s.ffn, s.width),
                   "mlp.up_proj": (s.ffn, s.width)}
    shapes |= {"self_attn.o_proj": (s.width, query), "mlp.down_proj": (s.width, s.ffn)}
    if family in ("qwen3", "gemma3_text"):
        shapes |= {"self_attn.q_norm": (head,), "self_attn.k_norm": (head,)}
    if family.startswith("gemma"):
        shapes |= {"pre_feedforward_layernorm": (s.width,), "post_feedforward_layernorm": (s.width,)}
    return shapes


def weights(family, head, seed=1):
    """All weights of a small model: name: (shape, numbers)."""
    generator = random.Random(seed)
    shapes = {"model.embed_tokens.weight": (Shape.vocabulary, Shape.width), "model.norm.weight": (Shape.width,)}
    if not family.startswith("gemma"):
        shapes["lm_head.weight"] = (Shape.vocabulary, Shape.width)
    for layer in range(Shape.layers):
        for name, shape in layer_shapes(family, head).items():
            shapes[f"model.layers.{layer}.{name}.weight"] = shape
            if family == "qwen2" and name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"):
                shapes[f"model.layers.{layer}.{name}.bias"] = (shape[0],)
    return {name: (shape, numbers(generator, shape[0] * (shape[1] if len(shape) > 1 else 1)))
            for name, shape in shapes.items()}


def in_pairs(values, heads, cols):
    """Rows of a head from halves to pairs, as one line of array arithmetic says it:
    reshape(heads, 2, half, cols), swap the middle axes."""
    rows = [values[i * cols:(i + 1) * cols] for i in range(len(values) // cols)]
    head = len(rows) // heads
    out = []
    for h in range(heads):
        for i in range(head // 2):
            for j in range(2):
                out += rows[h * head + j * (head // 2) + i]
    return out


GGUF_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
    "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
}


def expected(family, model):
    """What GGUF should hold: name: numbers."""
    out = {}
    gemma = family.startswith("gemma")
    for name, (shape, values) in model.items():
        base, _, suffix = name.rpartition(".")
        if gemma and base.endswith("norm"):
            values = [x + 1 for x in values]
        if base.startswith("model.layers."):
            layer, _, part = base[len("model.layers."):].partition(".")
            if family in ("llama", "mistral") and part in ("self_attn.q_proj", "self_attn.k_proj"):
                heads = Shape.heads if part == "self_attn.q_proj" else Shape.kv_heads
                values = in_pairs(values, heads, shape[1] if len(shape) > 1 else 1)
            if part == "post_attention_layernorm":
                target = "post_attention_norm" if gemma else "ffn_norm"
            else:
                target = GGUF_NAMES[part]
            out[f"blk.{layer}.{target}.{suffix}"] = values
        else:
            target = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}[base]
            out[f"{target}.{suffix}"] = values
    return out


def write_json(path, value):
    pathlib.Path(path).write_text(json.dumps(value))


def write_model(folder, family, dtype="F32", **more):
    """A whole folder; returns its weights."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = config(family, **more)
    model = weights(family, settings.get("head_dim") or Shape.head)
    write_json(folder / "config.json", settings)
    (folder / "tokenizer.model").write_bytes(sentencepiece(small_pieces(Shape.vocabulary)))
    write_safetensors(folder / "model.safetensors", {
        name: (dtype, list(shape), encode(values, dtype)) for name, (shape, values) in model.items()})
    return model
