"""The plain pipeline in Python: csv, unicodedata and hmac, file to file, with the
tokens of internal/fingerprint/SPEC.md. Its argument is a task as JSON; it prints a
sample as JSON."""

import csv
import hashlib
import hmac
import json
import resource
import struct
import sys
import time
import unicodedata
import zlib

TOKEN = 16
EMPTY = bytes(TOKEN)
WHITE_SPACE = dict.fromkeys(
    [*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000], " "
)


def column_key(secret, store, column):
    """HKDF-SHA-256 with one block of output."""
    info = b"column"
    for name in (store, column):
        text = name.encode()
        info += struct.pack(">H", len(text)) + text
    pseudorandom = hmac.digest(b"exactmatch.dev/fingerprint/v1", secret, "sha256")
    return hmac.digest(pseudorandom, info + b"\x01", "sha256")


def normalizer(fold, ignored):
    """The rules of one column."""

    def normalize(cell):
        if cell.isascii() and cell.isprintable():
            if fold:
                cell = cell.lower()
        else:
            cell = unicodedata.normalize("NFKC", cell)
            if fold:
                cell = unicodedata.normalize("NFKC", cell.casefold())
            cell = cell.translate(WHITE_SPACE)
        for delimiter in ignored:
            cell = cell.replace(delimiter, "")
        cell = cell.strip(" ")
        while "  " in cell:
            cell = cell.replace("  ", " ")
        return cell

    return normalize


def run(task):
    secret = bytes.fromhex(task["key"])
    rows = 0
    with open(task["table"], newline="", encoding="utf-8") as source, open(task["out"], "wb") as out:
        reader = csv.reader(source)
        header = next(reader)
        columns = [
            (header.index(c["name"]), normalizer(c["fold"], c["ignored"]), column_key(secret, task["store"], c["name"]), bytearray())
            for c in task["columns"]
        ]

        def flush():
            crc = 0
            for *_, tokens in columns:
                crc = zlib.crc32(tokens, crc)
                out.write(tokens)
                tokens.clear()
            out.write(struct.pack("<I", crc))

        digest, per_block = hmac.digest, task["rowsPerBlock"]
        for row in reader:
            for at, normalize, key, tokens in columns:
                text = normalize(row[at])
                tokens += digest(key, text.encode(), "sha256")[:TOKEN] if text else EMPTY
            rows += 1
            if rows % per_block == 0:
                flush()
        if rows % per_block:
            flush()
        size = source.buffer.tell()
    return rows, size


def peak_memory():
    """Of this program: the counter of getrusage holds the parent's too."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main():
    task = json.loads(sys.argv[1])
    hashlib.sha256()
    began, used = time.perf_counter(), cpu()
    rows, size = run(task)
    wall, spent = time.perf_counter() - began, cpu() - used
    print(json.dumps({
        "wallNanoseconds": round(wall * 1e9), "cpuNanoseconds": round(spent * 1e9),
        "rows": rows, "bytes": size, "peakMemory": peak_memory(),
    }))


main()
