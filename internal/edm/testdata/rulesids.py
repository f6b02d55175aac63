#!/usr/bin/env python3
"""Writes rulesids.json from the words of API.md alone: python3 rulesids.py >rulesids.json"""

import json

COLUMNS = [
    ("no delimiters", False, []),
    ("no delimiters, folded", True, []),
    ("one delimiter", False, ["-"]),
    ("two, in order", True, [" ", "-"]),
    ("two, the other way round", True, ["-", " "]),
    ("one twice", False, [".", "-", "."]),
    ("those of the id itself", False, [":", ","]),
    ("control characters", False, ["\t", "\0"]),
    ("beyond ASCII", True, ["\u2013", "\u00df", "A"]),
    ("not in the form that cells have", False, ["\uff0d", "\u00a0", "\ufffd"]),
    ("beyond four digits", False, ["\U0001f511", "\uffff", "\U0010ffff"]),
]


def rules_id(folded, delimiters):
    points = sorted({ord(d) for d in delimiters})
    return ":".join(["v1", "caseInsensitive" if folded else "exact", ",".join(f"{p:04X}" for p in points)])


def main():
    out = [
        {"name": name, "isCaseInsensitive": folded, "ignoredDelimiters": delimiters, "rulesId": rules_id(folded, delimiters)}
        for name, folded, delimiters in COLUMNS
    ]
    print(json.dumps(out, indent=1))


main()
