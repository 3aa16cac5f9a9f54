#!/usr/bin/env python3
"""Compose what stands before and behind the contents of a report.

usage: page.py HEAD.HTML TAIL.HTML REPORT.CSS REPORT.JS [UPLOT.JS UPLOT.CSS]

A report is one file that loads nothing. Its policy allows exactly this style and this script, by
their hashes, so that markup which got into the contents could do nothing.
"""

import base64
import hashlib
import pathlib
import re
import sys


def inline(tag, text):
    """The element, and the source of the policy that allows it."""
    if f"</{tag}" in text.lower():
        sys.exit(f"page.py: the text of <{tag}> would end it")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"<{tag}>{text}</{tag}>\n", f"'sha256-{digest}'"


def main():
    head, tail, css, js, *library = sys.argv[1:]
    library_js, library_css = (pathlib.Path(p).read_text("utf-8") for p in library) if library else ("", "")
    # Maps of the source are not there.
    library_js = re.sub(r"\n//# sourceMappingURL=\S+\s*$", "\n", library_js)
    style, style_source = inline("style", library_css + pathlib.Path(css).read_text("utf-8"))
    script, script_source = inline("script", library_js + "\n" + pathlib.Path(js).read_text("utf-8"))
    policy = (f"default-src 'none'; style-src {style_source}; script-src {script_source}; "
              "base-uri 'none'; form-action 'none'")
    pathlib.Path(head).write_text(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n' + style, "utf-8")
    pathlib.Path(tail).write_text(script + "</body>\n</html>\n", "utf-8")


main()
