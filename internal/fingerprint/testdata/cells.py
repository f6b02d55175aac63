"""What reference.py writes vectors about: keys, columns and cells, by the rule that each group of them tries.

A source yields (group, columns, cells): each of the cells in each of the columns."""
import hashlib, unicodedata
from collections import namedtuple

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
EVERY = [chr(c) for c in range(0x110000) if c not in range(0xD800, 0xE000)]


def nfkc(text):
    return unicodedata.normalize("NFKC", text)


# The keys' sizes lie about the 32 bytes that a key needs and the 64 bytes of a block of SHA-256.
KEYS = [bytes(range(32)), bytes(range(255, 191, -1))]
KEYS += [hashlib.shake_256(b"key of %d bytes" % n).digest(n) for n in (32, 33, 63, 64, 65, 128, 1000)]
KEYS += [bytes(32), b"\xff" * 32]

Column = namedtuple("Column", "name fold ignored store key", defaults=(False, (), "patients", 0))
PLAIN, FOLD = Column("Name"), Column("Name", True)
BOTH = [PLAIN, FOLD]
DASH, DASH_FOLD = Column("SSN", False, ("-",)), Column("SSN", True, ("-",))
PHONE = Column("Phone", False, ("-", "(", ")", " "))
GAP = Column("Gap", False, (" ",))


def ignoring(*delimiters, fold=False):
    return Column("Delimited", fold, delimiters)


ORDINARY = [
    "", " ", "-", "--- ---", "a", "A", "Smith", "SMITH", "  Smith  ", "John\tQ.\nPublic", "a  b", "123-45-6789", "123 45 6789",
    "(555) 010-9999", "O'Neill", "M\u00fcller", "Mu\u0308ller", "MU\u0308LLER", "stra\u00dfe", "STRASSE", "Stra\u1e9ee",
    "\u0130stanbul", "I\u0307", "\u0131", "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "\u03c3\u03c2\u03a3",
    "\uff21\uff22\uff23\uff11\uff12\uff13", "\ufb01n", "\u2460", "\u00bd", "\u212b", "\u00c5", "A\u030a", "\u1e9b\u0323",
    "\u00a0x\u00a0", "x\u2003y", "x\u3000\u3000y", "x\u2028y", "x\u200by", "\u200d", "\ufeff", "\U0001f600",
    "\U0001f468\u200d\U0001f469", "e\u0301\u0327", "e\u0327\u0301", "\ud55c\uae00", "\u1112\u1161\u11ab", "\u0958", "\ufdfa",
    "\u01c4", "\u01c5", "\u0149", "\u0390", "\u2126", "\u017f", "\u1fb3", "\u13a0", "\uab70", "\u10a0", "\u2d00", "\0",
    "a\0b", "\u007f", "\u0085", "x\u0085y", "-\u2010-", "\u2013", "a-b_c.d/e", "- a - b -", "\uff0d1", "\u00ad", "10\u2044",
    "\u0345", "\u1e9e", "\u0587", "\u1f52",
]


def unicode_form():
    yield "nfkc-composition", BOTH, [
        "e\u0301", "E\u0301", "\u00e9", "A\u030a", "u\u0308\u0304", "\u00fc\u0304", "\u01d6", "o\u031b\u0323", "o\u0323\u031b",
        "\u1ee3", "s\u0323\u0307", "s\u0307\u0323", "\u1e69", "q\u0307\u0323", "\u0b47\u0b3e", "\u0b47\u0300\u0b3e",
        "\u1025\u102e", "\u30ab\u3099", "\u30cf\u309a", "\u30ab\u309a", "\uff76\uff9e", "\u0627\u0653", "\u05d0\u05b7",
        "\u03b1\u0345\u0301", "\u03b1\u0301\u0345", "\u0915\u093c", "\u0dd9\u0dcf\u0dca", "\U00011099\U000110ba",
        "\U00011347\U0001133e", "\U00011935\U00011930", "<\u0338", "=\u0338", "\u2190\u0338", "a\u0041\u0300", "ae\u0301\u0301",
        "\u0300a", "\u0301", "\u0308\u0301", "a\u0315\u0300", "a\u0300\u0315", "\u00e0\u0315\u0300", "c\u0327\u0301",
        "c\u0301\u0327"]
    # Singletons and what composition leaves out never come back composed.
    yield "nfkc-decomposition", BOTH, [
        "\u212b", "\u2126", "\u212a", "\u0340", "\u0341", "\u0343", "\u0344", "\u0374", "\u037e", "\u0387", "\u1f71", "\u1fbe",
        "\u1fef", "\u0958", "\u095f", "\u09dc", "\u0a33", "\u0b5c", "\u0f43", "\u0f73", "\u0f75", "\u0f81", "\ufb1d", "\ufb1f",
        "\ufb2a", "\ufb4e", "\u2adc", "\U0001d15e", "\U0001d164", "\U0001d1bb", "\U0001d1c0", "\uf900", "\ufa0e", "\ufa10",
        "\ufaff", "\U0002f800", "\U0002fa1d", "\u2000", "\u2001", "\u2329", "\u232a", "\u1e9b", "\u1e9b\u0323"]
    yield "nfkc-compatibility", BOTH, [
        "\ufb00", "\ufb03", "\ufb05", "\ufb06", "\ufb13", "\u2460", "\u24b6", "\u2469", "\u00bc", "\u00bd", "1\u00bd", "\u2152",
        "\u215f", "\u00b2", "x\u00b2", "\u2070", "\u1d43", "\u00aa", "\u00ba", "\u00b5", "\u00b4", "\u017f", "\uff21\uff41",
        "\uff10\uff19", "\uff0d", "\uff40", "\uff71", "\uffe5", "\u3131", "\u3200", "\u32c0", "\u3300", "\u33c2", "\u3371",
        "\u2121", "\u2100", "\u2103", "\u210c", "\u2115", "\u2122", "\u2160", "\u217f", "\u2026", "\u2025", "\u2024", "\u2033",
        "\u2057", "\u222d", "\u2a74", "\u2a76", "\ufdfa", "\ufdfb", "\ufdfc", "\ufefb", "\ufe70", "\ufe71", "\ufe8d", "\ufe10",
        "\ufe19", "\ufe4d", "\ufe50", "\ufe6b", "\u0132", "\u0133", "\u013f", "\u0149", "\u01c4", "\u01f1", "\u1e9a", "\u0e33",
        "\u0eb3", "\u0edc", "\u0f0c", "\u0f77", "\u2011", "\u2002", "\u2fd5", "\u3036", "\u309f", "\u30ff", "\U0001d400",
        "\U0001d6a4", "\U0001d7ff", "\U0001f100", "\U0001f110", "\U0001f130", "\U0001f200", "\U0001ee00", "\U0001fbf0"]
    # Their compatibility form holds a space, which steps 3 and 5 then see.
    made = [c for c in EVERY if c not in SPACE and " " in nfkc(c)]
    yield "nfkc-makes-space", [PLAIN], made
    yield "nfkc-makes-space", [DASH_FOLD, GAP], [
        "a\u00a8", "\u00a8a", "a\u00a8b", "a \u00a8 b", "-\u00a8-", "\u00a8\u00a8", "\u00af-\u00b4", "\ufdfb-\ufdfb"]
    yield "nfkc-mark-order", BOTH, [
        "e\u0301\u0327", "e\u0327\u0301", "a\u0301\u0323\u0327\u0338", "a\u0338\u0327\u0323\u0301", "a\u0345\u0301\u0323",
        "\u05e9\u05bc\u05c1\u05b8", "\u05e9\u05c1\u05bc\u05b8", "\u0e01\u0e49\u0e38", "\u0e01\u0e38\u0e49",
        "\u0f40\u0f74\u0f71", "\u0f40\u0f71\u0f74", "\u0f40\u0f80\u0f71", "\u1100\u0323\u0301", "a\u034f\u0301\u0323",
        "a\u0301\u034f\u0323", "a\u200d\u0301\u0323", "\u0323\u0301", "\u0301\u0323", "\u0301\u0323a", "x \u0301\u0323",
        "\u3042\u3099\u0301\u0323", "\U0001d158\U0001d165\U0001d16e\u0301", "\U0001d158\U0001d16e\U0001d165",
        "q\u0345\u0301\u0323"]
    # Some libraries break runs of over 30 marks by a character of their own (the Stream-Safe Text Format); these rules do not.
    for n in (2, 18, 19, 20, 28, 29, 30, 31, 32, 33, 60, 61, 62, 63, 64, 65, 128, 1000):
        yield "nfkc-long-marks", [PLAIN], ["q" + "\u0301" * n, "e" + "\u0301" * n, "\u0301" * n]
    for n in (15, 16, 31, 32, 500):
        yield "nfkc-long-marks", BOTH, [
            "e" + "\u0301\u0323" * n, "E" + "\u0323" * n + "\u0301" * n + "X", "\u00e9" + "\u0345\u0301" * n]
    yield "nfkc-long-marks", [PLAIN], [
        "q" + "\u0344" * 15, "q" + "\u0344" * 16, "\u00bd" + "\u0323" * 31, "ab" + "\u0308" * 31 + "cd"]
    yield "nfkc-hangul", BOTH, [
        "\u1100\u1161", "\u1100\u1161\u11a8", "\u1112\u1175\u11c2", "\uac00", "\ud7a3", "\u1100", "\u1161", "\u11a8",
        "\u1100\u11a8", "\u1161\u11a8", "\u1100\u1100\u1161", "\u1100\u1161\u1161", "\u1100\u1161\u11a8\u11a8", "\uac00\u11a8",
        "\uac01\u11a8", "\uac00\u1161", "\uac00\u11a7", "\u1100\u1161\u11a7", "\uac00\u11a7\u11a8", "\u1100\u1160",
        "\u115f\u1161", "\u1113\u1161", "\u1100\u1176", "\uac00\u11c3", "\ua960\u1161", "\u1100\ud7b0", "\uac00\ud7cb",
        "\uffa1\uffc2", "\u3131\u314f", "\u3131\u314f\u3131", "\u3164", "\uffa0", "\u1100\u0301\u1161", "\uac00\u0301\u11a8",
        "\u1100 \u1161", "\u1100\u200b\u1161", "\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af", "\uac00\u302e",
        "x\u1100\u1161y", "\u3260\u1161", "\u320e"]


def case_folding():
    full = [c for c in EVERY if len(c.casefold()) > 1]
    yield "fold-full", BOTH, full
    yield "fold-full", [FOLD], [
        "\u00df\u00df", "\u0149a", "a\u01f0", "\u1e96\u0301", "\u1f88\u1f80", "\u1faf", "\u1fbc", "\u1fe3\u0301",
        "\ufb03\ufb04", "\ufb17"]
    yield "fold-off", [PLAIN], [
        "A", "Z", "\u00c0", "\u0391", "\u0410", "\u0531", "\u10a0", "\u13a0", "\u1e00", "\u2c00", "\uff21", "\U00010400"]
    yield "fold-common", [FOLD], [
        "AZaz@[`{", "\u00c0\u00d6\u00d7\u00d8\u00de", "\u0178", "\u0181\u0253", "\u018f", "\u01f6", "\u0220", "\u023a",
        "\u023e", "\u0370", "\u037f", "\u0391\u03a9", "\u03cf", "\u03d0\u03d1\u03d5\u03d6", "\u03f0\u03f1\u03f4\u03f5",
        "\u03f9", "\u0410\u042f", "\u0400\u040f", "\u04c0", "\u0531\u0556", "\u10a0\u10c5", "\u10c7", "\u10cd", "\u1c80\u1c88",
        "\u1c90\u1cbf", "\u1e00", "\u1efe", "\u1f08", "\u1fbe", "\u2132", "\u2160", "\u2183", "\u24b6", "\u2c00", "\u2c62",
        "\u2c7e", "\ua640", "\ua64a", "\ua77d", "\ua78d", "\ua7aa", "\ua7b0", "\uff3a", "\U00010400", "\U000104b0",
        "\U00010570", "\U00010c80", "\U000118a0", "\U00016e40", "\U0001e900", "\U0001e921", "\u00b5", "\u212a", "\u212b",
        "\u2126", "\u017f"]
    yield "fold-sigma", BOTH, [
        "\u03a3", "\u03c3", "\u03c2", "\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03cc\u03c2", "\u03a3\u03a3", "\u03c2 \u03c3",
        "a\u03a3", "a\u03a3b", "\u03a3.", "a\u0301\u03a3", "\u03f2", "\u03f9", "\U0001d6d3", "\U0001d6ba"]
    # Neither Turkic folding nor what a locale does: U+0130 becomes i and U+0307, U+0131 stays.
    yield "fold-dotted-i", BOTH, [
        "I", "i", "\u0130", "\u0131", "I\u0307", "i\u0307", "I\u0323\u0307", "\u0130\u0323", "\u0130\u0307", "\u0130I\u0131i",
        "\u0130stanbul", "ISTANBUL", "Diyarbak\u0131r", "DIYARBAKIR", "I\u0300", "I\u0303\u0307", "J\u0307", "\u012e\u0301",
        "\U0001d6a4", "\u0131\u0307", "\u0130\u0301"]
    yield "fold-sharp-s", BOTH, [
        "\u00df", "\u1e9e", "ss", "SS", "sS", "\u017fs", "\u017f\u017f", "Ma\u00dfe", "MASSE", "MA\u1e9eE", "\u00df\u0301",
        "\u1e9e\u0323", "\u017f\u0307", "\u1e9b", "\ufb05", "\u1e9e\u1e9e"]
    yield "fold-cherokee", BOTH, [
        "\u13a0", "\uab70", "\u13ef", "\uabbf", "\u13f0", "\u13f8", "\u13f5", "\u13fd", "\u13a0\uab70", "\uab70\u13a0",
        "\u13f0\u13f8\u13f5\u13fd", "x\uab70", "A\u13a0\u0301", "\uab6f", "\u13f6", "\u13fe"]
    yield "fold-titlecase", BOTH, [chr(c) for c in (*range(0x1C4, 0x1CD), 0x1F1, 0x1F2, 0x1F3)] + [
        "\u01c5\u030c", "D\u017e", "\u1f88", "\u1f8f", "\u1f98", "\u1fa8", "\u1fbc", "\u1fcc", "\u1ffc"]
    again = [c for c in EVERY if nfkc(nfkc(c).casefold()) != nfkc(c).casefold()]
    yield "fold-then-nfkc", [FOLD], again + [
        "\u0345", "\u0345\u0301", "\u03b1\u0345", "\u03b1\u0345\u0301", "\u1fb3\u0301", "\u1f80\u0300", "\u0391\u0345",
        "\u1f88\u0301", "a\u0345\u0323", "\u1e9e\u0307", "\u0130\u0323", "\u01f0\u0323", "J\u030c", "\u02bcn", "\u0390\u0323",
        "\u1fb4\u0345", "\u2121", "\u33a1", "\U0001f130", "\u24b6\u0301", "\uff29\u0307", "\u1d2c\u030a", "\u03d3", "\u03d4",
        "\u1fd3", "\u1fe3", "\u0345\u0345", "I\u0345\u0307"]


def white_space():
    for space in SPACE:
        yield "space", BOTH, [
            space, space + "a", "a" + space, "a" + space + "b", space * 3 + "A" + space * 3 + "b" + space * 3,
            "a " + space + " b", " " + space + "a" + space + " "]
        yield "space", [DASH, GAP], ["a" + space + "-" + space + "b", "-" + space + "a" + space + "-", "a-" + space + "-b"]
    yield "space", [PLAIN, DASH, DASH_FOLD, PHONE, GAP], [
        "a - b", " - a - b - ", "a- -b", "- -", "a -", "- a", "a--b", "a  -  b", "\ta\u00a0-\u2003b\n", "\u00a0\u00a0",
        "\r\n\u0085\u2028\u2029", "a" + SPACE + "b", "A\u3000-\u3000\u00c9", "\u1680a\u205fb\u202f"]
    # None of these is White_Space, whatever a library calls blank.
    alike = [
        0x08, 0x0E, 0x1C, 0x1D, 0x1E, 0x1F, 0x84, 0x86, 0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x180E, 0x200B, 0x200C, 0x200D, 0x200E,
        0x2027, 0x202A, 0x2060, 0x2063, 0x2422, 0x2800, 0x303F, 0x3164, 0xFE0F, 0xFEFF, 0xFFA0, 0xFFFC, 0xFFFD, 0xE0020]
    for c in map(chr, alike):
        yield "space-lookalike", BOTH, [c, "a" + c + "b", c + " a " + c]


def delimiters():
    for d in [*map(chr, range(0x21, 0x30)), *":;<=>?@[\\]^_`{|}~", "\0", "\x1c", "\x7f", "0", "s"]:
        yield "delimiter-ascii", [ignoring(d)], [d + "A" + d + "1" + d + d + " " + d + " s0b" + d, d * 64 + "x" + d * 65]
    yield "delimiter-ascii", [ignoring(*"-. /()_,")], ["(555) 010-99.99", "a/b_c,d", "-. /()_,", "\u00e9-\u00c9.\u00e9"]
    yield "delimiter-ascii", [ignoring(*"-./()_,+#*:;'&@", fold=True)], [
        "+1 (555) 010-9999", "O'Neill & Co.", "A:B;C*D#E@F", "x" * 31 + "-./()_" + "X" * 31]
    yield "delimiter-ascii", [ignoring("-", "-")], ["a-b--c"]
    for d in "\u00e9\u00fc\u00b7\u0131\u05d0\u07ff\u0800\u2010\u2013\u20ac\u30fb\ufffc\ufffd\uffff\U00010000\U0001f600\U0010ffff":
        yield "delimiter-wide", [ignoring(d)], [
            d, "a" + d + "b", d + "A " + d + " \u00e9" + d + d, "x" * 62 + d + d + "y", "\u00e8" + d + "\u00ea"]
    yield "delimiter-wide", [ignoring("-", "\u2013", "\U0001f600")], [
        "a\u2013b-c\U0001f600d", "\u2013\u2014\u2013", "\U0001f601-\U0001f600"]
    # NFKC or white space has changed these before they are compared: such a delimiter never matches, its plain form does.
    for d in "\uff0d\u2011\u00a0\u3000\t\n\u0085\u212b\u00bd\ufb01\u2460\u037e\u2126":
        yield "delimiter-never", [ignoring(d)], [d, "a" + d + "b", "a" + nfkc(d) + "b", "a" + d + "-" + d + "1"]
    yield "delimiter-after-nfkc", [ignoring("-", "\u2010", "\u2044", "?", "\u03a9", "f", ";")], [
        "a\uff0db", "a\u2011b", "1\u00bd", "a\u2048\u2049b", "\u2126", "\ufb03", "\u03a9", "a\u037eb", "\ufe63"]
    yield "delimiter-mark", [ignoring("\u0301")], [
        "\u00e9", "e\u0301", "q\u0301", "q\u0323\u0301", "e\u0323\u0301", "q\u0301\u0323", "\u0301", " \u0301 ", "\u00b4",
        "e\u0327\u0301", "\u0385"]
    yield "delimiter-mark", [ignoring("\u0323", "\u0307", fold=True)], [
        "\u1e69", "Q\u0323\u0307", "\u0130", "I\u0307", "\u017f\u0307", "\u1e9b\u0323"]
    # The text is folded by then, so only the folded letter matches; Cherokee folds upwards.
    yield "delimiter-letter", [ignoring("X", fold=True), ignoring("x", fold=True), ignoring("X"), ignoring("x")], [
        "xX", "aXbxc", "x" * 33 + "X" * 33 + "y", "\u24cd\u24e7"]
    yield "delimiter-letter", [ignoring("\u00c9", fold=True), ignoring("\u00e9", fold=True), ignoring("\u00c9")], [
        "\u00e9\u00c9", "a\u00c9b\u00e9c", "E\u0301e\u0301"]
    yield "delimiter-letter", [ignoring("\u00df", fold=True), ignoring("s", fold=True)], [
        "Ma\u00dfe", "MASSE", "\u1e9e", "\u017f"]
    yield "delimiter-letter", [ignoring("\u13a0", fold=True), ignoring("\uab70", fold=True)], ["a\u13a0b\uab70c", "\uab70"]
    yield "delimiter-letter", [ignoring("\u03c3", fold=True), ignoring("\u03c2", fold=True)], ["\u03a3\u03c3\u03c2a"]
    yield "delimiter-space", [GAP, ignoring(" ", fold=True), ignoring(" ", "-")], [
        " ", "a b", "  a  b  ", "a\u00a0b\u3000c\td\r\ne", "a - b", "a\u200bb", "\u00c9 \u00c9", "x" * 63 + " y", "\u00a8",
        " - "]
    # The text is not composed again after something was left out, but runs of U+0020 that meet become one.
    yield "delimiter-no-second-nfkc", [DASH, DASH_FOLD], [
        "e-\u0301", "E-\u0301", "\u1100-\u1161", "\uac00-\u11a8", "q\u0301-\u0323", "a -\u0301", "a - - b", "a -- b",
        "I-\u0307", "\u03b1-\u0345", "f-i"]
    yield "delimiter-emoji", [ignoring("\u200d"), ignoring("\ufe0f"), ignoring("\U0001f3fd")], [
        "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u2764\ufe0f", "\U0001f44d\U0001f3fd", "\U0001f3fd\u200d\ufe0f"]
    yield "delimiter-all", [DASH, DASH_FOLD, PHONE, ignoring("\u2013", "\U0001f600")], [
        "-", "--", "-" * 16, "-" * 63, "-" * 64, "-" * 65, "- - -", " -", "\u2013", "\U0001f600\u2013", "\u2013 \u2013", "()- ",
        "\uff0d", "-\u00a0-"]


def characters():
    yield "ordinary", [PLAIN, FOLD, DASH, PHONE, Column("Stra\u00dfe", True, (".", "\u00fc", "\u2013"))], ORDINARY
    yield "empty", [PLAIN, FOLD, DASH, GAP], [
        "", " ", "  ", " " * 64, "\t", "\r\n", "\u00a0", "\u3000\u2003", "\u0085", "-", "\u00a0-"]
    for c in map(chr, [*range(0x00, 0x20), 0x7F]):
        yield "control", BOTH, ["A" + c + "B", c + c]
    for c in map(chr, range(0x80, 0xA0)):
        yield "control", [PLAIN], ["A" + c + "B"]
    yield "control", BOTH, [
        "\r", "\n", "\r\n", "a\rb", "a\nb", "a\r\nb", "\r\na\r\n", "a\r\n\r\nb", "a\n\rb", "\0\0\0", "\0 \0", " \0a\0 ",
        "\u00e9\0\u00c9", "\x7f\u00c9"]
    for n in (0, 1, 15, 16, 31, 32, 47, 48, 62, 63, 64, 65):
        yield "control", [FOLD, DASH], ["X" * n + "\0" + "X" * (66 - n), "X" * n + "\x7f\x01" + "Y" * (66 - n)]
    planes = (0, 1, 2, 14, 15, 16)
    for c in map(chr, [0xFDD0, 0xFDEF, *(p * 0x10000 + n for p in planes for n in (0xFFFE, 0xFFFF))]):
        yield "noncharacter", BOTH, [c, "A" + c + "\u0301"]
    for c in map(chr, [0xE000, 0xF8FF, 0xF0000, 0xFFFFD, 0x100000, 0x10FFFD]):
        yield "private-use", BOTH, [c, "A" + c + " \u00c9"]
    yield "highest", BOTH, [
        "\U0010ffff", "\U0010ffffA\U0010ffff", "\U0010ffff \U0010ffff", "\ud7ff\ue000", "\uffff\U00010000", "\x7f\x80",
        "\u07ff\u0800", "e\U0010ffff\u0301"]
    yield "emoji", BOTH, [
        "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f44d\U0001f3fd", "\u2764\ufe0f",
        "\u2764\ufe0e", "1\ufe0f\u20e3", "\U0001f1e9\U0001f1ea",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\U0001f3f3\ufe0f\u200d\U0001f308",
        "\u2122\ufe0f", "\u24c2\ufe0f", "\U0001f170", "\U0001f201", "A\U0001f600B", "\U0001f600 \U0001f600", "\U0001fae0",
        "\U0001fae8"]


ASCII, MIXED = "abcdefghijklmnopqrstuvwxyz0123456789", "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
SMALL, CAPITAL = "\u00e0\u00e9\u00ee\u00f5\u00fc\u00e7\u00f1\u00f8", "\u00c0\u00c9\u00ce\u00d5\u00dc\u00c7\u00d1\u00d8"
BOUNDARIES = [*range(71), *range(118, 131), *range(182, 195), *range(246, 259), 1000, 4096, 65536]


def cut(letters, n):
    return (letters * (n // len(letters) + 1))[:n]


def lengths():
    """Normal forms of every length about the blocks of SHA-256 and of vector registers."""
    for n in BOUNDARIES:
        yield "length-ascii", [PLAIN], [cut(ASCII, n)]
        yield "length-ascii", [FOLD], [cut(MIXED, n)]
        two = n // 2
        yield "length-two-byte", [PLAIN], [cut(SMALL, two) + "x" * (n % 2)]
        yield "length-two-byte", [FOLD], [cut(CAPITAL, two) + "X" * (n % 2), "X" * (n % 2) + cut(CAPITAL, two)]
        if 2 < n < 71:
            yield "length-two-byte", [FOLD], ["X" * (2 - n % 2) + cut(CAPITAL, (n - 1) // 2)]
    for n in (63, 64, 65, 127, 128, 129):
        # The cell has n bytes, its normal form fewer.
        yield "length-shrinks", [DASH], [
            "-" + cut(ASCII, n - 1), cut(ASCII, n - 1) + "-", cut(ASCII, n // 2) + "-" + cut(ASCII, n - 1 - n // 2),
            cut("a-", n), "-" * (n - 1) + "a", "a" + "-" * (n - 1), cut("ab -", n), cut("123-45-6789 ", n)]
        yield "length-shrinks", [FOLD], [
            " " + cut(MIXED, n - 1), cut(MIXED, n - 1) + " ", cut(MIXED, n // 2) + "  " + cut(MIXED, n - 2 - n // 2),
            "A" + " " * (n - 2) + "B", " " * (n - 1) + "A", cut("A ", n), cut("A  ", n), "A" * (n % 2) + "\u00a0" * (n // 2),
            "X" * (n % 3) + "E\u0301" * (n // 3), "X" * (n % 3) + "\uff21" * (n // 3), "X" * (n % 3) + "\u1e9e" * (n // 3),
            "X" * (n % 2) + "\u017f" * (n // 2)]
        # The normal form has n bytes, the cell more.
        yield "length-shrinks", [DASH_FOLD], [
            "-" + cut(MIXED, n), cut(MIXED, n) + "-", "-".join(cut(MIXED, n)), "-" * 64 + cut(MIXED, n),
            cut(MIXED, n) + "\u3000" * 21, "--".join(cut(CAPITAL, n // 2) + "X" * (n % 2)),
            "\u0085" + cut(CAPITAL, n // 2) + "-" * 63 + "X" * (n % 2)]
        # The normal form has n bytes, the cell fewer: U+00BD grows from 2 bytes to 5, U+0149 from 2 to 3, U+FDFA from 3 to 33,
        # and U+1F88 folded from 3 to 5. U+FB03 keeps its 3 bytes.
        yield "length-grows", BOTH, [
            cut(ASCII, n - n // 5 * 5) + "\u00bd" * (n // 5), "\u00bd" * (n // 5) + cut(ASCII, n % 5),
            cut(ASCII, n - 5) + "\u00bd", "\u00bd" + cut(ASCII, n - 5), "\u0149" * (n // 3) + "x" * (n % 3),
            cut(ASCII, n - 33) + "\ufdfa", "\ufdfa" + cut(ASCII, n - 33), "\ufb03" * (n // 3) + "x" * (n % 3)]
        yield "length-grows", [FOLD], [
            "\u1f88" * (n // 5) + "X" * (n % 5), "\u0130" * (n // 3) + "X" * (n % 3), "\u0390" * (n // 2) + "X" * (n % 2)]
        # The cell has n bytes, its normal form more.
        yield "length-grows", [PLAIN], [
            cut(ASCII, n - 2) + "\u00bd", "\u00bd" + cut(ASCII, n - 2), "\u00bd" * (n // 2) + "x" * (n % 2),
            cut(ASCII, n - 3) + "\ufdfa", "\ufdfa" * (n // 3), cut(ASCII, n - 3) + "\ufb03", "\ufb03" * (n // 3)]
    yield "length-grows", [FOLD], ["\ufdfa" * 1000, "\u1e9e" * 1000, "\u00bd" * 4096, "\u0130" * 4096]
    yield "length-shrinks", [DASH_FOLD], [
        "-" * 65536, "- " * 32768, "A-" * 32768, " " * 65535 + "A", "A" + " " * 65534 + "B", "E\u0301" * 21846]


def windows():
    """One character that is not like the others at every place of 64 bytes, whole or across a border."""
    for n in range(67):
        head, tail = cut(MIXED, n), cut(MIXED, 66)[n:]
        yield "window-wide", [FOLD], [head + c + tail for c in ("\u00c9", "\u3042", "\U0001f600", "E\u0301")]
        yield "window-ascii", [DASH_FOLD], [head + c + tail for c in ("-", "  ", "\t", "\u00a0")]
    for n in range(34):
        yield "window-wide", [FOLD], [cut(CAPITAL, n) + "X" + cut(CAPITAL, 33)[n:]]
    for n in (13, 14, 15, 16, 29, 30, 31, 32, 45, 46, 47, 48, 61, 62, 63, 64, 65, 125, 126, 127, 128, 129):
        yield "window-wide", [FOLD], [*(cut(MIXED, n) + c for c in ("\u00c9", "\u3042", "\U0001f600")), "\u00c9" + cut(MIXED, n)]
        yield "window-wide", [PLAIN], [c * (n // len(c.encode())) for c in ("\u3042", "\U0001f600")]
    for n in (16, 32, 48, 64, 80):
        yield "window-space", [FOLD], [
            " " * n + "A", "A" + " " * n, "A" + " " * n + "B", " " * (n - 1) + "A", "\u00a0" * n + "A B", "A" * n + " ",
            "A" * (n - 1) + " B", "A" * (n - 1) + "  B", "A" * (n - 1) + " " * n + "B",
            "\u00c9" * (n // 2) + " \u00a0 " + "\u00c9" * (n // 2)]


def letters():
    for c in range(0x80, 0x800, 8):
        yield "two-byte-eight", BOTH, ["".join(map(chr, range(c, c + 8)))]
    yield "adjacent", BOTH, [
        "aAb", "a\u00c0b", "\u00c0a", "A\u00c0\u0100B", "\u0100\u00c0", "\u00c0\u0100 \u00ff", "Fran\u00e7ois N\u00fa\u00f1ez",
        "\u0141\u00d3D\u0179", "Dvo\u0159\u00e1k", "\u00c5ngstr\u00f6m", "\u00ff\u0178", "\u0132\u0133\u013f\u0140\u0149\u017f",
        "\u00d0\u00de\u00f0\u00fe", "\u00d7\u00f7", "S\u00f8ren \u00c6r\u00f8", "\u0160\u0161\u0106\u010d", "A\u00aaB\u00baC",
        "\u00b5\u00df\u00b5", "\u0130\u0131I\u00cc", "\u017fs\u017f", "\u017f\u00df", "\u0100\u0180\u0200\u0240",
        "\u01c4A\u00c9", "\u00c9\u0301", "\u00c9\u0301\u0323A", "A\u0300\u00c0\u0300", "\u00c0\u0391\u0410\u05d0",
        "\u00c0\u1e00A\uff21\U00010400", "\u00a0\u00c9\u00a0\u0100\u00a0", "\u00adA\u00ad", "\u024f\u0250\u02af\u02b0",
        "\u0370\u0371A", "\u00b7L\u00b7", "L\u00b7L", "\u0140\u013f"]


# Characters by the version that first assigned them, where their normal form, their fold or their order as a mark matters.
AGES = {
    "1.1": "00bd fb03 2460 0958 fdfa 00df 0130 0149 01c5",
    "2.0": "ac00 0f77 1e9b",
    "3.0": "2048 01f6 0218",
    "3.1": "1d400 10400",
    "3.2": "2047 3251 2a74 fdfc",
    "4.0": "321d 1d4c1 213b",
    "4.1": "fa70 1d6a4 fe10 2c00 023b 2d00 10a0f",
    "5.0": "2c60 1d7ca 1b06",
    "5.1": "a640 1e9e",
    "5.2": "1f100 1f110 2c7e 1109a fa6b 1f131",
    "6.0": "2095 a78d a660 1f250",
    "6.1": "1ee00 a7aa 10c7 a7f8 1cf4",
    "7.0": "a7ab a69c 118a0 037f ab5c 1134b 114bb 102e0",
    "8.0": "a7b2 ab70 13f8 a7b4 10c80 08e3",
    "9.0": "1c80 104b0 a7ae 1e900 1f23b 08d4 1e000",
    "10.0": "1df6 1df7 1df9 11d42",
    "11.0": "1c90 16e40 a7b8 08d3 1133b 11d97",
    "12.0": "1f16c a7ba a7c4 1e2ec 1e137",
    "12.1": "32ff",
    "13.0": "a7c7 a7f5 ab69 1fbf0 11938 1abf",
    "14.0": "a7c0 2c2f 10570 a7f2 10781 1dfa a7d0 1ac1",
    "15.0": "1e030 1e037 1e04f 1e051 1e06d 10efd 10eff 1e4ec 1e4ee 11f41",
}
# Not assigned in 15.0. Later versions give most of the first two lines a fold, a compatibility form, a place in the order of
# marks or a composition.
LATER = """1c89 1c8a 2ffc a7cb a7cc a7d2 a7da a7dc a7f1 105c9 10d50 10d69 11383 113ce
           11de0 16121 16d68 16ea0 1adb 1ccd6 1ccf0 1e5ee 1fbfa 2ebf0
           0378 03a2 0530 05ff 2fe0 3fffd dfffd e0fff"""


def versions():
    for version, points in AGES.items():
        for c in (chr(int(p, 16)) for p in points.split()):
            apart = unicodedata.normalize("NFD", c)
            yield "unicode-" + version, BOTH, [c, "x" + c + "y", "q" + c + "\u0323\u0301"] + ([apart] if apart != c else [])
    for c in (chr(int(p, 16)) for p in LATER.split()):
        assert unicodedata.category(c) == "Cn"
        yield "unassigned", BOTH, [c, "X" + c + "\u00c9", "q" + c + "\u0323\u0301"]
    yield "unassigned", BOTH, [
        "\U000105d2\u0307", "\U00011382\U000113c9", "q\u0301\U0001e5ee\u0323", "e\U00010d69\u0301", "\uac00\u0378\u11a8",
        "e\u0378\u0301"]


def names_and_keys():
    long = ["n", "n" * 255, "n" * 256, "\u00fc" * 127 + "n", "\u00fc" * 128, "\U0001f600" * 64]
    # Names are not normalised.
    for name in long + ["\u6c0f\u540d", "\u00e9", "e\u0301", "E\u0301", "NAME", "name", " name ", "name\t", "na\u200bme", "a-b"]:
        columns = [Column(name), Column("Name", store=name), Column(name, store=name, key=1), Column(name, True, ("-",), key=2)]
        yield "names", columns, ["Value-1"]
    # The lengths in the info keep these apart.
    apart = [("bc", "a"), ("c", "ab"), ("column", "key-id"), ("\u0001a", "\u0001")]
    yield "names", [Column(name, store=store) for name, store in apart], ["Value-1"]
    for key in range(len(KEYS)):
        for store in ("patients", "Patients", "p"):
            columns = [Column("Name", store=store, key=key), Column("Stra\u00dfe", True, (".", "\u00fc", "\u2013"), store, key)]
            yield "keys", columns, ["Value 1", "V\u00e4lue.1"]


CASED = [
    (0x10A0, 0x10FF), (0x1C80, 0x1CBF), (0x1E00, 0x1FFF), (0x2100, 0x218F), (0x24B0, 0x24EF), (0x2C00, 0x2D2F), (0xA640, 0xA69F),
    (0xA720, 0xA7FF), (0xAB30, 0xAB6F), (0xFB00, 0xFB1F), (0xFF00, 0xFFEF), (0x10400, 0x1044F), (0x104B0, 0x104FF),
    (0x10570, 0x105BF), (0x10C80, 0x10CFF), (0x118A0, 0x118DF), (0x16E40, 0x16E7F), (0x1D400, 0x1D43F), (0x1E900, 0x1E943),
]


def tables():
    """Rows of characters: group, column, text before, how often the character stands, text after, first and last code point."""
    for fold in (PLAIN, FOLD):
        for form in (("", 1, ""), ("", 2, ""), ("", 1, "Ab"), ("Ab", 1, "cD"), ("Ab", 1, "")):
            yield ("ascii", fold, *form, 0, 127)
        yield ("two-byte", fold, "", 1, "", 0x80, 0x7FF)
        yield ("cherokee", fold, "", 1, "", 0x13A0, 0x13FF)
        yield ("cherokee", fold, "", 1, "", 0xAB70, 0xABBF)
    for first, last in CASED:
        yield ("cased", FOLD, "", 1, "", first, last)


MARKS = "0300 0301 0308 031b 0323 0327 0328 0334 0338 0345 034f 05b0 0e38 0f71 0f72 1dce 20e3 3099 1d165 1e4ec"


def span(first, last):
    return [chr(c) for c in range(first, last + 1)]


def products():
    """Every way to take one string of each list, in order."""
    # One more on each side than what composes.
    yield "hangul-jamo", PLAIN, [span(0x10FF, 0x1113), span(0x1160, 0x1176), ["", *span(0x11A7, 0x11C3)]]
    yield "hangul-syllable", PLAIN, [[chr(c) for c in range(0xAC00, 0xD7A4, 28)], ["", *span(0x11A7, 0x11C3)]]
    marks = [chr(int(p, 16)) for p in MARKS.split()]
    pairs = [*span(0, 0x17F), *span(0x300, 0x345)]
    for column in BOTH:
        yield "marks", column, [["", "a", "q", "E", "\u00dc"], ["", *marks], ["", *marks], marks]
        yield "pairs", column, [pairs, pairs]


REFUSED = {
    "key": [b"", b"k", bytes(16), bytes(31)],
    "store": [b"", b"s" * 257, "\u00fc".encode() * 128 + b"s", b"\xff", b"a\xc3"],
    "column": [b"", b"c" * 257, "\u00fc".encode() * 128 + b"c", b"\xff", b"a\xed\xa0\x80"],
    "delimiter": [
        b"", b"ab", b"--", "e\u0301".encode(), b"\r\n", "\u2764\ufe0f".encode(), b"\xff", b"\xc3", b"\xed\xa0\x80", b"-\x80"],
    "cell": [
        b"\xff", b"\x80", b"a\xc3", b"\xc3a", b"\xc0\x80", b"\xc1\xbf", b"\xe2\x82", b"\xe0\x9f\xbf", b"\xed\xa0\x80",
        b"\xed\xb0\x80", b"\xed\xa0\xbd\xed\xb8\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
        b"\xf8\x88\x80\x80\x80", b"x" * 63 + b"\xc3", b"x" * 64 + b"\x80", b"x" * 15 + b"\xe3\x81" + b"x" * 47],
}

SOURCES = [
    unicode_form, case_folding, white_space, delimiters, characters, lengths, windows, letters, versions, names_and_keys,
]
