#!/usr/bin/env python3
"""Check the include directions between the folders of src/.

ALLOWED is the one statement of them: a folder may include itself, public headers (<edgelm/...>),
and what its row lists. docs/ARCHITECTURE.md shows the same table; the check compares both.
"""

import pathlib
import re
import sys

ALLOWED = {
    "base": "",
    "cpu": "base",
    "quant": "base cpu",
    "kernel": "base cpu quant",
    "gguf": "base",
    "tokenizer": "base gguf",
    "grammar": "base gguf tokenizer",
    "jinja": "base",
    "model": "base cpu quant kernel gguf",
    "engine": "base cpu quant kernel gguf tokenizer grammar jinja model",
    "eval": "base cpu quant kernel gguf tokenizer grammar jinja model engine",
    "compress": "base cpu quant kernel gguf tokenizer model engine eval",
    "bench": "base cpu kernel model",
    "convert": "base cpu quant gguf tokenizer",
    "train": "base cpu quant kernel gguf tokenizer model engine eval",
    "http": "base",
    "telemetry": "base",
    "server": "base gguf tokenizer grammar jinja model engine http telemetry",
    "study": "base cpu gguf tokenizer grammar jinja model engine http telemetry",
    "cli": "base cpu quant kernel gguf tokenizer grammar jinja model engine eval compress bench convert train http telemetry server study",
}

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def check_sources():
    for path in sorted(ROOT.glob("src/**/*.[ch]")):
        layer = path.relative_to(ROOT / "src").parts[0]
        where = path.relative_to(ROOT)
        if layer not in ALLOWED:
            yield f"{where}: folder src/{layer} is not in the table of scripts/check-layers.py"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target = match.group(1).split("/")[0]
            if target != layer and target not in ALLOWED[layer].split():
                yield f'{where}:{number}: src/{layer} must not include "{match.group(1)}"'
    for path in sorted(ROOT.glob("include/**/*.h")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if INCLUDE.match(line):
                yield f"{path.relative_to(ROOT)}:{number}: a public header includes a private one"


def check_document():
    document = ROOT / "docs/ARCHITECTURE.md"
    rows = dict(re.findall(r"^\| `src/(\w+)/` \|[^|]*\| ([^|]*) \|", document.read_text(), re.M))
    for layer, allowed in ALLOWED.items():
        exists = (ROOT / "src" / layer).is_dir() and any((ROOT / "src" / layer).rglob("*.c"))
        if not exists and layer not in rows:
            continue
        said = " ".join(re.findall(r"\w+", rows.get(layer, "(no row)").replace("nothing", "")))
        if said != allowed:
            yield f"docs/ARCHITECTURE.md: src/{layer} may include [{allowed}], the page says [{said}]"


def main():
    problems = [*check_sources(), *check_document()]
    print("\n".join(problems) or "include directions: fine")
    return 1 if problems else 0


sys.exit(main())
