# SPDX-License-Identifier: BSD-2-Clause
# Whether every pool has come to rest: pools.py FILE [POOL[=MOST] ...], FILE being what `shimstat --json`
# says of a server with one listener. The pools named are looked at beside TCP's.
import json, sys

rest = {"tcp-conn": 0, "tcp-req": 0, "tcp-listen": 1, "tcp-reass": 0, "tcp-sent": 0, "blk": 0}
for arg in sys.argv[2:]:
    name, _, most = arg.partition("=")
    rest[name] = int(most or 0)
seen = set()
bad = []


def walk(o):
    if isinstance(o, dict):
        name = o.get("name")
        seen.add(name)
        if name in rest and o.get("out", 0) > rest[name]:
            bad.append((name, o["out"]))
    for v in o.values() if isinstance(o, dict) else o if isinstance(o, list) else ():
        walk(v)


walk(json.load(open(sys.argv[1])))
print(bad or "", " ".join(set(rest) - seen))
sys.exit(bool(bad) or not seen >= set(rest))
