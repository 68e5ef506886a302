#!/usr/bin/env python3
"""Writes elementary.json beside it: sine, cosine, sinh and cosh to 50 digits, by mpmath 1.3.

Of each value the nearest double and the double nearest to what that lacks, 106 bits together; doubles as the 16 hex
digits of their bits.
"""
import json
import math
import pathlib
import random
import struct

from mpmath import mp

mp.dps = 50
random.seed(20120102)


def bits(x):
    return struct.pack(">d", x).hex()


def f32(x):
    return struct.unpack(">f", struct.pack(">f", x))[0]


def exact(value):
    near = float(value)
    return [bits(near), bits(float(value - mp.mpf(near)))]


def cases(arguments, *functions):
    return [[bits(x), *(exact(function(mp.mpf(x))) for function in functions)] for x in arguments]


def around(*xs):
    return [y for x in xs for y in (math.nextafter(x, -math.inf), x, math.nextafter(x, math.inf))]


quarter = math.pi / 4
angles = [0.0, 1e-300, 1e-8, -1e-8, 0.1, math.nextafter(math.pi, 0), math.pi, -math.pi, f32(math.pi / 2), 3.1415925]
angles += around(quarter, -quarter, 2 * quarter, 3 * quarter, -3 * quarter)
angles += [f32(random.uniform(-3.14, 3.14)) for _ in range(200)] + [random.uniform(-3.14, 3.14) for _ in range(300)]
# The ends of the intervals in which the argument is reduced by the same multiple of ln 2 are the hardest places.
etas = [0.0, 1e-300, -1e-300, 1e-8, 1e-3, 17.0, -17.0, math.log(2)]
etas += [y for k in range(8) for y in around((k + 0.5) * math.log(2))]
etas += [sign * ((k + 0.5) * math.log(2) + d) for k in range(4) for d in (1e-3, 1e-2, 0.03) for sign in (-1, 1)]
etas += [f32(random.gauss(0, 2)) for _ in range(200)] + [random.uniform(0.34, 0.4) for _ in range(100)]
etas += [random.uniform(-17, 17) for _ in range(200)]

content = {
    "made_by": "make_elementary.py, mpmath 1.3",
    "sin_cos": cases(angles, mp.sin, mp.cos),
    "sinh_cosh": cases(etas, mp.sinh, mp.cosh),
}
lines = ",\n".join(
    f'"{name}": ' + (json.dumps(value) if isinstance(value, str) else "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in value) + "\n]")
    for name, value in content.items()
)
(pathlib.Path(__file__).parent / "elementary.json").write_text("{\n" + lines + "\n}\n")
