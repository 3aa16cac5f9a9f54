#!/usr/bin/env python3
"""Check that no C file has over 800 lines and no function over 120.

Generated tables are excepted by a line that holds only the comment of MARKER. There is no list of
other exceptions, and there should not be one.
"""

import pathlib
import re
import sys

FOLDERS = ("examples", "include", "src", "tests", "tools")
FILE_LINES, FUNCTION_LINES = 800, 120
MARKER = "/* generated table: size not checked */"
ROOT = pathlib.Path(__file__).resolve().parent.parent


def functions(lines):
    """(first line, lines, name) of each function, by our brace style: `{` alone in column 0."""
    start = None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            head = " ".join(lines[max(0, start - 6) : start])
            names = re.findall(r"(\w+)\s*\(", head)
            yield start + 1, number - start + 1, names[-1] if names else "?"
            start = None


def main():
    problems = []
    for path in sorted(p for top in FOLDERS for p in (ROOT / top).rglob("*.[ch]")):
        name = path.relative_to(ROOT)
        lines = path.read_text().splitlines()
        if MARKER in lines:
            continue
        if len(lines) > FILE_LINES:
            problems.append(f"{name}: {len(lines)} lines; split it at {FILE_LINES}")
        for at, length, function in functions(lines):
            if length > FUNCTION_LINES:
                problems.append(f"{name}:{at}: {function} has {length} lines; {FUNCTION_LINES} is the limit")
    print("\n".join(problems) or "file and function sizes: fine")
    return 1 if problems else 0


sys.exit(main())
