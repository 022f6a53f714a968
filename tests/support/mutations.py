"""Messages near the documented examples, changed at random: what a fuzzer feeds the decoder."""

from __future__ import annotations

from support.messages import written

SCALARS = [
    None, True, False, 0, 1, -1, 5, 1.0, 1.5, -0.0, 0.1, 1e2, 1e-7, 1e22, 1e300, 100.0, 0.001,
    2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**25, 10**400,
    "", " ", "5", "true", "null", "x", "other", "a" * 64, "A" * 64, "x" * 513, "ä" * 300, ",", ":",
    '","', '":"', '"', "\\", "\n", "\x00", "\x7f", "😀", "\u2028", "}", "]", ",}", ",]", "nan",
    ", infinite", "[[[[", "1-0-0", "1-2-3", "2-0-0", "se", "SE", "human", "opted_out", "dj", "AB",
    "2026-11-02T10:15:30Z", "2026-11-02t10:15:30.1234567z", "2026-11-02 12:15:30+02:00",
    "2026-11-02T10:15:60Z", "2026-02-29T00:00:00Z", "1999-12-31T23:59:59Z", "2026-11-02",
    "2100-01-01T00:30:00+01:00", "2026-11-02T10:15:30.Z", "2026-09-01T00:00:00Z",
    "2026-11-09T00:00:00Z",
]  # fmt: skip
ODD = [
    [], [[]], ["a"], ["a", "b"], ["a", 1], [""], [","], [",", "b"], ['a"b'], ["a,b"], ["x" * 600],
    [None], ["é", "\n"], {}, {"a": "b"}, {"b": "x", "a": "y"}, {"a": 1}, {"a": None}, {"": ""},
    {"a b": "1", "a": "2", "a!": "3"}, {"a": ","}, {",": "a"}, {"a": '","'}, {"a": {"b": "c"}},
    {"é": "ü\n"}, {":": ":"}, [[[[[[1]]]]]],
]  # fmt: skip
EXTRA = [
    "new", "user_id", "userId", "IP", "ip_addr_decrypted", "User-Agent", "e_mail", "zip", "users",
    "ipso", "taxonomy", "event_id", "user_\u0131d", "new.field", "",
]  # fmt: skip
STYLES = [
    {},
    {"separators": (", ", ": ")},
    {"ensure_ascii": True},
    {"indent": 1},
    {"allow_nan": True, "separators": (" ,\t", "\n: ")},
]
SPLICES = [
    b",", b"{", b"}", b"[", b"]", b'"', b":", b"\\", b" ", b"\n", b"\t", b"\x00", b"\xff", b"\xc3",
    b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf", b"1", b"e", b"E5", b".", b"-", b"null", b"NaN",
    b"Infinity", b"true", b"\\u0041", b"\\ud83d", b"\\ude00", b"\\ud83d\\ude00", b"//", b'"a":1,',
    b'"x":"y",', b",,", b",}", b"'", b"\xe2\x80\xa8", b"0", b"[" * 40,
]  # fmt: skip


def mutated(contract, rng):
    """A message near the example: fields changed, dropped, added, repeated; bytes changed."""
    fields = {k: v for k, v in contract.example.items() if v is not None or rng.random() < 0.2}
    for _ in range(rng.choice([0, 0, 1, 1, 1, 2, 4])):
        change(fields, rng)
    text = written(fields, **rng.choice([{}, *STYLES]))
    for _ in range(rng.choice([0, 0, 0, 0, 1, 1, 2])):
        text = spliced(text, rng)
    return text


def change(fields, rng):
    name = rng.choice(sorted(fields))
    match rng.randrange(6):
        case 0:
            del fields[name]
        case 1:
            fields[name] = rng.choice(ODD)
        case 2:
            fields[rng.choice(EXTRA)] = rng.choice(SCALARS + ODD)
        case 3:
            fields[name] = fields[rng.choice(sorted(fields))]
        case _:
            fields[name] = rng.choice(SCALARS)


def spliced(text, rng):
    at = rng.randrange(len(text) + 1)
    match rng.randrange(5):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + text[at + rng.randrange(1, 4) :]
        case 2:
            return text[: text.rfind(b"}")] + rng.choice(SPLICES) + text[text.rfind(b"}") :]
        case 3:
            return rng.choice([text + rng.choice(SPLICES), rng.choice(SPLICES) + text])
        case _:
            return text[:at] + rng.choice(SPLICES) + text[at:]
