#!/usr/bin/env python3
"""Write files as C source: an array of elm__embedded, ending with a NULL name.

usage: embed.py OUTPUT.C HEADER SYMBOL FILE...

HEADER declares SYMBOL and the struct, see src/study/embedded.h.
"""

import pathlib
import sys


def main():
    output, header, symbol, *paths = sys.argv[1:]
    parts, rows = [f'#include "{header}"\n'], []
    for number, path in enumerate(map(pathlib.Path, paths)):
        data = path.read_bytes()
        # A NUL at the end, so that text is also a string.
        lines = (",".join(map(str, data[i:i + 32])) for i in range(0, len(data), 32))
        parts.append(f"static const unsigned char data_{number}[] = {{\n"
                     + "".join(line + ",\n" for line in lines) + "0 };\n")
        rows.append(f'\t{{ "{path.name}", (const char *)data_{number}, {len(data)} }},\n')
    parts.append(f"const elm__embedded {symbol}[] = {{\n" + "".join(rows) + "\t{ 0 },\n};\n")
    pathlib.Path(output).write_text("\n".join(parts))


main()
