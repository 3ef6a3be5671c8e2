#!/usr/bin/env python3
"""CPU time for each call over TLS of an edge that runs, beside Kamailio, in turns; prints the ratio of the pairs.

    tls_beside.py LOAD LAB PID RUNS RATE SECONDS nobody|everybody

LOAD is the program of benches/tls_calls.rs, LAB the folder of certificates that all of them show, PID the edge at 127.55.0.4:5061,
and the last word says which calls have a connection of their own. Needs ../shared/bench, for its Kamailio and its reading of /proc.
"""

import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../shared/bench/lib"))
import proc  # noqa: E402  (after the path is set)
import servers  # noqa: E402

load, lab, pid, runs, rate, seconds, own = sys.argv[1:]
calls = int(rate) * int(seconds)


def cpu_us_per_call(server, address):
    """One run: what the server's processes spent on each call, until the last transactions are gone from its way."""
    before = sum(proc.cpu(server.pids))
    told = subprocess.run(
        [load, "--lab", lab, "--from", servers.PBX[0], "--to", address, "--trunk", "%s:%d" % servers.TRUNK,
         "--rate", rate, "--calls", str(calls), "--own", own],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    time.sleep(6)
    spent = sum(proc.cpu(server.pids)) - before
    counted = json.loads(told)
    each = spent * 1e6 / max(1, counted["good"])
    print(f"{server.name} {rate} {each:.1f} failed={counted['failed']} seconds={counted['seconds']:.1f}", flush=True)
    if counted["failed"]:
        print(f"  such as: {counted['such_as']}", flush=True)
    return each


ratios = []
for _ in range(int(runs)):
    ours = cpu_us_per_call(servers.Sut([pid], "ringfence"), "127.55.0.4:5061")
    kamailio = servers.Kamailio(1, ("DIALOG", "CHECKS", "TOPOH"), "tls")
    try:
        ratios.append(ours / cpu_us_per_call(kamailio, "%s:%d" % (servers.SBC[0], servers.SBC[1] + 1)))
    finally:
        kamailio.stop()
pairs = ", ".join(f"{ratio:.2f}" for ratio in ratios)
print(f"RATIO ringfence/kamailio cpu {statistics.median(ratios):.3f} (pairs {pairs})")
