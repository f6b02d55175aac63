#!/usr/bin/env python3
"""Writes vectors.json: an independent reading of SPEC.md in the standard library of Python 3.12.

cells.py holds what goes in. The tables of unicodedata are part of the rules, so another version of them writes nothing."""
import base64, hashlib, hmac, itertools, json, os, struct, sys, unicodedata

sys.dont_write_bytecode = True  # no __pycache__ beside the vectors
import cells

UNICODE = "15.0.0"
SPACE = [*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
SALT = b"exactmatch.dev/fingerprint/v1"


def nfkc(text):
    return unicodedata.normalize("NFKC", text)


def steps(cell, fold, ignored):
    """The text after each of the five steps; the last is the normal form."""
    first = nfkc(cell)
    second = nfkc(first.casefold()) if fold else first
    third = second.translate(dict.fromkeys(SPACE, " "))
    fourth = "".join(c for c in third if c not in ignored)
    return [first, second, third, fourth, " ".join(part for part in fourth.split(" ") if part)]


def normalize(cell, fold, ignored):
    return steps(cell, fold, ignored)[-1]


def extract(secret):
    return hmac.new(SALT, secret, hashlib.sha256).digest()


def hkdf(secret, info, size):
    prk, out, block, n = extract(secret), b"", b"", 0
    while len(out) < size:
        n += 1
        block = hmac.new(prk, block + info + bytes([n]), hashlib.sha256).digest()
        out += block
    return out[:size]


def named(purpose, *names):
    return purpose.encode() + b"".join(struct.pack(">H", len(n.encode())) + n.encode() for n in names)


def mac(column_key, text):
    return hmac.new(column_key, text.encode(), hashlib.sha256).digest()


def token(column_key, text):
    return mac(column_key, text)[:16] if text else bytes(16)


def assigned():
    """Ranges of code points that Unicode assigns, surrogates aside."""
    ranges = []
    for c in range(0x110000):
        if unicodedata.category(chr(c)) in ("Cn", "Cs"):
            continue
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    return ranges


def short_sum(texts):
    h = hashlib.sha256()
    for text in texts:
        h.update(text.encode() + b"\n")
    return h.hexdigest()[:16]


def sweep(fold, before, after, only_assigned):
    """One sum for each 4096 code points."""
    left_out = ("Cn", "Cs") if only_assigned else ("Cs",)
    return [short_sum(normalize(before + c + after, fold, "") for c in map(chr, range(start, start + 4096))
                      if unicodedata.category(c) not in left_out) for start in range(0, 0x110000, 4096)]


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def pack(text):
    """A short text as itself, a long one as the list of its runs where that is shorter."""
    if len(text) <= 32:
        return text
    runs, plain, at = [], "", 0
    while at < len(text):
        size, times = 1, 1
        for n in range(1, 41):
            unit, count = text[at:at + n], 1
            while text.startswith(unit, at + n * count):
                count += 1
            if count > 1 and n * count > max(16, size * times):
                size, times = n, count
        if times == 1:
            plain += text[at]
        else:
            if plain:
                runs.append({"repeat": plain, "times": 1})
            runs.append({"repeat": text[at:at + size], "times": times})
            plain = ""
        at += size * times
    if plain:
        runs.append({"repeat": plain, "times": 1})
    assert "".join(r["repeat"] * r["times"] for r in runs) == text
    return runs if len(compact(runs)) < len(compact(text)) else text


def worked_example():
    """Every value on the way from one cell to its token."""
    column, cell = cells.Column("Patient name", True, ("-", "."), "patients"), "\u00a0Dr. \uff2du\u0308ller-Gro\u00df\t"
    secret, texts = cells.KEYS[column.key], steps(cell, column.fold, column.ignored)
    info, id_info = named("column", column.store, column.name), named("key-id", column.store)
    key = hkdf(secret, info, 32)
    return {
        "key": secret.hex(), "store": column.store, "column": column.name, "isCaseInsensitive": column.fold,
        "ignoredDelimiters": column.ignored, "cell": cell.encode().hex(), "steps": [t.encode().hex() for t in texts],
        "prk": extract(secret).hex(), "columnInfo": info.hex(), "columnKey": key.hex(), "hmac": mac(key, texts[-1]).hex(),
        "token": token(key, texts[-1]).hex(), "keyIDInfo": id_info.hex(), "keyID": hkdf(secret, id_info, 8).hex()}


def write(out):
    """One element a line, so that a difference between two versions of the file can be read."""
    fields = []
    for name, value in out.items():
        rows = isinstance(value, list) and isinstance(value[0], dict)
        fields.append(compact(name) + ":" + ("[\n" + ",\n".join(map(compact, value)) + "]" if rows else compact(value)))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors.json"), "w", newline="\n") as f:
        f.write("{" + ",\n".join(fields) + "}\n")


def main():
    if unicodedata.unidata_version != UNICODE:
        sys.exit(f"the rules are of Unicode {UNICODE}, but this Python has the tables of {unicodedata.unidata_version}")
    columns, cases, rows, sums = {}, {}, [], []

    def number(column):
        if column not in columns:
            columns[column] = (len(columns), hkdf(cells.KEYS[column.key], named("column", column.store, column.name), 32))
        return columns[column]

    for group, among, texts in itertools.chain.from_iterable(source() for source in cells.SOURCES):
        for column, cell in itertools.product(among, texts):
            at, key = number(column)
            text = normalize(cell, column.fold, column.ignored)
            cases[group, at, cell] = {
                "group": group, "column": at, "cell": pack(cell), "normal": pack(text), "token": token(key, text).hex()}
    for group, column, before, times, after, first, last in cells.tables():
        at, key = number(column)
        texts = [before + chr(c) * times + after for c in range(first, last + 1)]
        rows.append({"group": group, "column": at, "before": before, "times": times, "after": after, "first": first,
                     "tokens": [token(key, normalize(t, column.fold, column.ignored)).hex() for t in texts]})
    for group, column, parts in cells.products():
        at, _ = number(column)
        sums.append({"group": group, "column": at, "parts": parts, "sums": [
            short_sum(normalize(start + "".join(rest), column.fold, column.ignored) for rest in itertools.product(*parts[1:]))
            for start in parts[0]]})
    forms = [("x", "y", True), ("", "", True), ("\u00e9", "\u00c9", True), ("q\u0323", "\u0301", True), ("x", "y", False)]
    stores = dict.fromkeys((c.store, c.key) for c in columns)
    write({
        "rules": "v1", "unicode": UNICODE, "example": worked_example(),
        "keys": [base64.b64encode(k).decode() for k in cells.KEYS],
        "keyIDs": [{"key": k, "store": s, "keyID": hkdf(cells.KEYS[k], named("key-id", s), 8).hex()} for s, k in stores],
        "refused": [{"what": what, "hex": value.hex()} for what, values in cells.REFUSED.items() for value in values],
        "columns": [{"key": c.key, "store": c.store, "name": c.name, "isCaseInsensitive": c.fold,
                     "ignoredDelimiters": c.ignored, "columnKey": key.hex()} for c, (_, key) in columns.items()],
        "cases": list(cases.values()), "tables": rows, "products": sums, "assigned": assigned(),
        "sweep": [{"isCaseInsensitive": fold, "before": before, "after": after, "onlyAssigned": only,
                   "sums": sweep(fold, before, after, only)} for before, after, only in forms for fold in (False, True)],
    })


main()
