#!/usr/bin/env python3
"""Write the files of the page as C source, see src/server/page.h.

usage: embed.py OUTPUT.C WEB-FOLDER [FILE...]

Files of the web folder are served under their own names (index.html as /), others, the libraries,
under /assets/lib/. Empty ones are left out; /assets/build.js tells the page which there are.
"""

import gzip
import hashlib
import pathlib
import re
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


def collect(folder, paths):
    """{served path: bytes}"""
    files = {}
    for path in map(pathlib.Path, paths):
        data = path.read_bytes()
        if folder in path.resolve().parents:
            name = "/" + path.resolve().relative_to(folder).as_posix()
        else:
            name = "/assets/lib/" + path.name
            # Maps of the source are not served.
            data = re.sub(rb"\n//# sourceMappingURL=\S+\s*$", b"\n", data)
        if data:
            files["/" if name == "/index.html" else name] = data
    have = {name: f"/assets/lib/{name}.js" in files for name in ("marked", "purify", "uplot")}
    files["/assets/build.js"] = (
        "// Which libraries this program has; written by embed.py.\n"
        f"export const hasMarkdown = {str(have['marked'] and have['purify']).lower()};\n"
        f"export const hasCharts = {str(have['uplot']).lower()};\n").encode()
    return files


def array(name, data):
    numbers = [",".join(map(str, data[i:i + 32])) for i in range(0, len(data), 32)]
    return f"static const unsigned char {name}[] = {{\n" + ",\n".join(numbers) + "\n};\n"


def main():
    output, folder, *paths = sys.argv[1:]
    parts, rows = ['#include "server/page.h"\n'], []
    files = collect(pathlib.Path(folder).resolve(), paths) if paths else {}
    for number, (name, data) in enumerate(sorted(files.items())):
        packed = gzip.compress(data, 9, mtime=0)
        tag = hashlib.sha256(data).hexdigest()[:16]
        kind = TYPES[".html" if name == "/" else pathlib.PurePosixPath(name).suffix]
        parts.append(array(f"plain_{number}", data))
        gzipped = "NULL, "
        if len(packed) < len(data):
            parts.append(array(f"gzip_{number}", packed))
            gzipped = f"gzip_{number}, "
        rows.append(f'\t{{ "{name}", "{kind}", "\\"{tag}\\"", plain_{number}, {gzipped}'
                    f"sizeof(plain_{number}), {len(packed) if gzipped[0] == 'g' else 0} }},\n")
    parts.append("const elm__page_file elm__page_files[] = {\n" + "".join(rows) + "\t{ 0 },\n};\n")
    pathlib.Path(output).write_text("\n".join(parts))


main()
