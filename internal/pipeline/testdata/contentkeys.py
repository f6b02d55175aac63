#!/usr/bin/env python3
"""Writes contentkeys.json from the words of block/FORMAT.md alone: python3 contentkeys.py >contentkeys.json"""
import hashlib
import json

SUM = "sha256:" + "0f" * 32
DEFAULTS = {"delimiter": ",", "encoding": "Auto", "compression": "Auto", "quoting": "Auto", "shortRows": "Bad",
            "maxLinesPerRecord": 100, "skipLines": 0}


def fields(v):
    yield "content", v["content"]
    yield "store", v["store"]
    yield "keyID", v["keyID"]
    yield "rules", "v1"
    yield "blocks", "block/v1"
    yield "rowsPerBlock", str(v["rowsPerBlock"])
    for name, default in DEFAULTS.items():
        value = v["format"].get(name, "")
        if value not in ("", default):
            yield "format." + name, str(value)
    for c in v["columns"]:
        yield "column", c["name"]
        if not c.get("isSearchable", True):
            yield "isSearchable", "false"
        if c.get("isCaseInsensitive"):
            yield "isCaseInsensitive", "true"
        for d in sorted(set(c.get("ignoredDelimiters") or []), key=lambda d: d.encode()):
            yield "ignoredDelimiter", d


def key(v):
    text = b"content/v2\n"
    for pair in fields(v):
        for part in pair:
            raw = part.encode()
            text += len(raw).to_bytes(4, "big") + raw
    return "content/v2:sha256:" + hashlib.sha256(text).hexdigest()


def vector(about, columns=None, **change):
    v = {"about": about, "content": SUM, "store": "patients", "keyID": "0011223344556677", "rowsPerBlock": 100000,
         "format": {}, "columns": columns or [{"name": "ID"}]}
    v.update(change)
    v["contentKey"] = key(v)
    return v


print(json.dumps([
    vector("one column, everything at its default"),
    vector("a format that says its defaults", format=dict(DEFAULTS)),
    vector("a tab", format={"delimiter": "\t"}),
    vector("every field of the format", format={"delimiter": ";", "encoding": "UTF-16", "compression": "Zstd"}),
    vector("a table without quoting, with a title", format={"quoting": "None", "skipLines": 2}),
    vector("short rows and long records", format={"quoting": "RFC4180", "shortRows": "Pad", "maxLinesPerRecord": 1000}),
    vector("no searchable column", [{"name": "ID", "isSearchable": False}]),
    vector("letter case", [{"name": "ID", "isCaseInsensitive": True}]),
    vector("an empty list of delimiters", [{"name": "ID", "ignoredDelimiters": []}]),
    vector("delimiters", [{"name": "ID", "ignoredDelimiters": ["-", "ä", " "]}]),
    vector("the same delimiters in another order, one twice", [{"name": "ID", "ignoredDelimiters": [" ", "-", "ä", "-"]}]),
    vector("a header of another name", [{"name": "ID", "sourceName": "Number"}]),
    vector("two columns", [{"name": "ID"}, {"name": "Name", "isCaseInsensitive": True, "isSearchable": False}]),
    vector("another store", store="staff"),
    vector("smaller blocks", rowsPerBlock=1),
], indent=1, ensure_ascii=False))
