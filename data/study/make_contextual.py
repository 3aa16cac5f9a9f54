#!/usr/bin/env python3
"""Compose the contextual queries of the study from passages.txt.

usage: make_contextual.py PASSAGES.TXT > contextual.txt

A context is four paragraphs of one topic in their order, the last of them without its final sentence
where that comes nearer to the wanted length; a query asks for something that a whole one of them
says. The form is that of the contextual category in docs/STUDY.md: all in lower case, as
"::context:: CONTEXT ::question:: QUESTION " with a space at the end. Contexts are chosen so that
lines have as many characters and tokens as those of the study that this one redoes. The same
passages give the same file.
"""

import itertools
import pathlib
import random
import sys

QUERIES = 100
# Wanted characters of the lines of a topic's contexts.
TARGETS = (1555, 1490, 1590, 1520)


def read(path):
    """[[(paragraph, [question, ...]), ...] per topic]"""
    topics = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("=="):
            topics.append([])
        elif line.startswith("? "):
            topics[-1][-1][1].append(line[2:])
        elif topics:
            topics[-1].append((line, []))
        else:
            sys.exit(f"{path}:{number}: a topic begins with ==")
    return topics


def compose(topic, choice, target):
    """The text of a context, and the questions that it answers."""
    whole = [topic[i][0] for i in choice]
    length = sum(map(len, whole)) + 75
    shorter = whole[-1][:whole[-1].rindex(". ") + 1]
    cut = abs(length - len(whole[-1]) + len(shorter) - target) < abs(length - target)
    if cut:
        whole[-1] = shorter
    return " ".join(whole), [q for i in (choice[:-1] if cut else choice) for q in topic[i][1]]


def contexts(topic):
    """Contexts near the wanted lengths that between them use all of the topic."""
    chosen, unseen = [], set(range(len(topic)))
    for target in TARGETS:
        def badness(choice):
            length = len(compose(topic, choice, target)[0]) + 75
            return (-len(unseen & set(choice)) // 2, abs(length - target))

        left = [c for c in itertools.combinations(range(len(topic)), 4) if c not in chosen]
        chosen.append(min(left, key=badness))
        unseen -= set(chosen[-1])
    return [compose(topic, choice, target) for choice, target in zip(chosen, TARGETS)]


def main():
    rng = random.Random(6)
    lines = []
    for topic in read(pathlib.Path(sys.argv[1])):
        used = set()
        for context, questions in contexts(topic) * 3:
            for question in (q for q in questions if q not in used):
                used.add(question)
                lines.append(f"::context:: {context} ::question:: {question} ".lower())
                break
    rng.shuffle(lines)
    sys.stdout.write("".join(line + "\n" for line in lines[:QUERIES]))


main()
