#!/usr/bin/env python3
"""No held-out pattern or value of the demo text can be made of those for training.

usage: test_patterns.py SOURCE...

Reads the lists { { "training", NULL }, { "held out", NULL } } of tools/demo and compares all that their
alternatives expand to, with all slots alike.
"""

import collections
import pathlib
import re
import sys

STRINGS = r'(?:\s*"(?:[^"\\]|\\.)*"\s*,?)+'
PAIR = re.compile(rf"\{{({STRINGS})\s*NULL\s*\}}\s*,\s*\{{({STRINGS})\s*NULL\s*\}}")


def strings(text):
    text = re.sub(r'"\s*\n\s*"', "", text)  # the compiler joins neighbours
    return re.findall(r'"((?:[^"\\]|\\.)*)"', text)


def expansions(pattern):
    begin = pattern.find("[")
    if begin < 0:
        return [pattern]
    depth, start, choices = 0, begin + 1, []
    for end, letter in enumerate(pattern):
        if letter == "[":
            depth += 1
        elif letter == "]":
            depth -= 1
        if end > begin and ((letter == "|" and depth == 1) or (letter == "]" and depth == 0)):
            choices.append(pattern[start:end])
            start = end + 1
            if depth == 0:
                break
    return [whole for choice in choices for whole in expansions(pattern[:begin] + choice + pattern[end + 1:])]


def plain(text):
    return re.sub(r"<\w+>", "<>", text).rstrip("?").lower()


def main():
    trained, held = collections.defaultdict(set), collections.defaultdict(set)
    lists = 0
    for source in map(pathlib.Path, sys.argv[1:]):
        for pair in PAIR.finditer(source.read_text()):
            lists += 1
            for group, into in zip(pair.groups(), (trained, held)):
                for pattern in strings(group):
                    for text in expansions(pattern):
                        into[plain(text)].add(f"{source.name}: {pattern}")
    both = sorted(held.keys() & trained.keys())
    for text in both:
        print(f"'{text}' is held out ({held[text]}) and trained on ({trained[text]})")
    print(f"{lists} lists, {len(trained)} texts for training, {len(held)} held out, {len(both)} in both")
    if lists < 50 or not held:
        print("the lists were not found: has their form changed?")
        return 1
    return 1 if both else 0


sys.exit(main())
