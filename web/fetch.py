#!/usr/bin/env python3
"""Fetch the libraries of the page with npm, exactly as package-lock.json has them.

usage: fetch.py NPM WORK-FOLDER OUTPUT-FOLDER (auto|enabled) PACKAGE.JSON PACKAGE-LOCK.JSON

With `auto`, libraries that cannot be had become empty files, which embed.py leaves out: the page
works without them, more plainly.
"""

import pathlib
import shutil
import subprocess
import sys

LIBRARIES = {
    "marked.js": "marked/lib/marked.umd.js",
    "purify.js": "dompurify/dist/purify.min.js",
    "uplot.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
}


def install(npm, work, inputs):
    """The reason for a failure, or None."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for path in inputs:
        shutil.copy(path, work)
    command = [npm, "ci", "--omit=dev", "--omit=optional", "--ignore-scripts", "--no-audit",
               "--no-fund", "--prefer-offline", "--fetch-retries=1", "--fetch-timeout=20000"]
    try:
        done = subprocess.run(command, cwd=work, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=180, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    missing = [name for name in LIBRARIES.values() if not (work / "node_modules" / name).exists()]
    if done.returncode == 0 and not missing:
        return None
    return done.stderr.strip()[-2000:] or f"not in the packages: {', '.join(missing)}"


def main():
    npm, work, out, mode, *inputs = sys.argv[1:]
    work, out = pathlib.Path(work), pathlib.Path(out)
    problem = install(npm, work, inputs)
    if problem:
        print(f"npm could not fetch the libraries of the page:\n{problem}", file=sys.stderr)
        if mode == "enabled":
            return 1
        print("The page is built without markdown and charts. To try again: remove "
              f"{out / 'marked.js'} and build.", file=sys.stderr)
    for name, source in LIBRARIES.items():
        data = b"" if problem else (work / "node_modules" / source).read_bytes()
        (out / name).write_bytes(data)
    shutil.rmtree(work, ignore_errors=True)
    return 0


sys.exit(main())
