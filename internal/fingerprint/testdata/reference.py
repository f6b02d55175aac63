#!/usr/bin/env python3
"""Writes vectors.json: an independent reading of SPEC.md in the standard library of Python 3.

Every code point of the vectors is assigned in Unicode 14.0 or older, so that the tables of
Python 3.11 and of Go agree on it."""
import base64, hashlib, hmac, json, os, struct, unicodedata

SPACE = [*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]


def normalize(cell, fold, ignored):
    text = unicodedata.normalize("NFKC", cell)
    if fold:
        text = unicodedata.normalize("NFKC", text.casefold())
    text = "".join(" " if ord(c) in SPACE else c for c in text)
    text = "".join(c for c in text if c not in ignored)
    return " ".join(part for part in text.split(" ") if part)


def hkdf(secret, info, size):
    prk = hmac.new(b"exactmatch.dev/fingerprint/v1", secret, hashlib.sha256).digest()
    out, block, n = b"", b"", 0
    while len(out) < size:
        n += 1
        block = hmac.new(prk, block + info + bytes([n]), hashlib.sha256).digest()
        out += block
    return out[:size]


def named(purpose, *names):
    return purpose.encode() + b"".join(struct.pack(">H", len(n.encode())) + n.encode() for n in names)


def token(secret, store, column, fold, ignored, cell):
    text = normalize(cell, fold, ignored)
    if not text:
        return text, bytes(16)
    key = hkdf(secret, named("column", store, column), 32)
    return text, hmac.new(key, text.encode(), hashlib.sha256).digest()[:16]


KEYS = [bytes(range(32)), bytes(range(255, 191, -1)), hashlib.sha256(b"a third key").digest() + b"tail"]
PLAIN = [
    "", " ", "-", "--- ---", "a", "A", "Smith", "SMITH", "  Smith  ", "John\tQ.\nPublic", "a  b", "123-45-6789", "123 45 6789",
    "(555) 010-9999", "O'Neill", "M\u00fcller", "Mu\u0308ller", "MU\u0308LLER", "stra\u00dfe", "STRASSE", "Stra\u1e9ee",
    "\u0130stanbul", "I\u0307", "\u0131", "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "\u03c3\u03c2\u03a3",
    "\uff21\uff22\uff23\uff11\uff12\uff13", "\ufb01n", "\u2460", "\u00bd", "\u212b", "\u00c5", "A\u030a", "\u1e9b\u0323",
    "\u00a0x\u00a0", "x\u2003y", "x\u3000\u3000y", "x\u2028y", "x\u200by", "\u200d", "\ufeff", "\U0001f600", "\U0001f468\u200d\U0001f469",
    "e\u0301\u0327", "e\u0327\u0301", "\ud55c\uae00", "\u1112\u1161\u11ab", "\u0958", "\ufdfa", "\u01c4", "\u01c5", "\u0149", "\u0390",
    "\u2126", "\u017f", "\u1fb3", "\u13a0", "\uab70", "\u10a0", "\u2d00", "\u0000", "a\u0000b", "\u007f", "\u0085", "x\u0085y",
    "-\u2010-", "\u2013", "a-b_c.d/e", "- a - b -", "\uff0d1", "\u00ad", "10\u2044", "\u0345", "\u1e9e", "\u0587", "\u1f52",
]
LENGTHS = [1, 15, 16, 31, 32, 54, 55, 56, 57, 63, 64, 65, 118, 119, 120, 121, 127, 128, 129, 183, 184, 1000]
COLUMNS = [("Name", False, []), ("Name", True, []), ("SSN", False, ["-"]), ("Phone", False, ["-", "(", ")", " "]),
           ("Stra\u00dfe", True, [".", "\u00fc", "\u2013"])]


def assigned():
    """Ranges of code points that Unicode 14.0 assigns, surrogates aside: the sweep goes over each of them."""
    ranges = []
    for c in range(0x110000):
        if unicodedata.category(chr(c)) in ("Cn", "Cs"):
            continue
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    return ranges


def sweep_sum(ranges, fold):
    h = hashlib.sha256()
    for first, last in ranges:
        for c in range(first, last + 1):
            h.update(normalize("x" + chr(c) + "y", fold, "").encode() + b"\n")
    return h.hexdigest()


def main():
    cases = []

    def add(key, store, column, cell):
        name, fold, ignored = column
        text, value = token(KEYS[key], store, name, fold, ignored, cell)
        cases.append({"key": key, "store": store, "column": name, "isCaseInsensitive": fold, "ignoredDelimiters": ignored,
                      "cell": cell, "normal": text, "token": value.hex()})

    for column in COLUMNS:
        for cell in PLAIN:
            add(0, "patients", column, cell)
    for n in LENGTHS:
        add(0, "patients", COLUMNS[0], "x" * n)
        add(1, "patients", COLUMNS[1], "X" * (n - 1) + "-")
        if n > 2:
            add(2, "patients", COLUMNS[1], "\u00c9" * (n // 2) + "x" * (n % 2))
    for key in range(len(KEYS)):
        for store in ["patients", "Patients", "p", "s" * 256]:
            for column in COLUMNS:
                add(key, store, column, "Value 1")
    ids = [{"key": k, "store": s, "keyID": hkdf(KEYS[k], named("key-id", s), 8).hex()}
           for k in range(len(KEYS)) for s in ["patients", "Patients", "s" * 256]]
    ranges = assigned()
    sweep = [{"isCaseInsensitive": fold, "sha256": sweep_sum(ranges, fold)} for fold in (False, True)]
    out = {"assigned": ranges, "sweep": sweep, "rules": "v1", "keys": [base64.b64encode(k).decode() for k in KEYS], "keyIDs": ids, "cases": cases}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors.json"), "w") as f:
        json.dump(out, f, indent=None, separators=(",", ":"), ensure_ascii=True)
        f.write("\n")


main()
