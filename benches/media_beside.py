#!/usr/bin/env python3
"""CPU time for each packet relayed by an edge that runs, beside rtpengine, in turns; prints the ratio of the pairs.

    media_beside.py LAB PID CALLS RUNS SECONDS rtp-rtp|rtp-srtp|srtp-srtp [THREADS]

PID is the edge with config/examples/media-bench.yaml, LAB its folder of certificates. A leg with keys is signalled over TLS, for
nowhere else does the edge take or give any; THREADS are rtpengine's. Needs ../shared/bench: its generator, its rtpengine, its reading
of /proc.
"""

import os
import re
import select
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../shared/bench/lib"))
import media  # noqa: E402  (after the path is set)
import proc  # noqa: E402
import servers  # noqa: E402
import sipcalls  # noqa: E402

lab, pid, calls, runs, seconds, kind = sys.argv[1:7]
threads = int(sys.argv[7]) if len(sys.argv) > 7 else 2
EDGE = ("127.55.0.4", 5060)
EDGE_TLS = ("127.55.0.4", 5061)
TRUNK_TLS = (servers.TRUNK[0], servers.TRUNK[1] + 1)
A, B = (servers.PBX[0], 20000), (servers.TRUNK[0], 20000)
# Calls to the first go to the trunk in the clear, calls to the second to the one over TLS.
CLEAR, SECURE = "+4930", "+4931"


def context(purpose):
    made = ssl.SSLContext(purpose)
    made.check_hostname = False
    made.load_verify_locations(f"{lab}/ca.pem")
    made.load_cert_chain(f"{lab}/server.pem", f"{lab}/server.key")
    made.verify_mode = ssl.CERT_REQUIRED
    return made


class Stream:
    """A stream of TLS that looks like a socket of datagrams, each of them one message."""

    def __init__(self, opened, replace):
        self.near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.near, self.far):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.replace, self.over = replace, False
        threading.Thread(target=self.carry, args=(opened,), daemon=True).start()

    def fileno(self):
        return self.near.fileno()

    def sendto(self, message, _to):
        for what, by in self.replace:
            message = message.replace(what, by)
        self.near.send(message)

    def recvfrom(self, octets):
        return self.near.recv(octets), None

    def close(self):
        self.over = True
        self.near.close()

    def carry(self, opened):
        stream, held = opened(), b""
        stream.setblocking(False)
        while not self.over:
            ready, _, _ = select.select([stream, self.far], [], [], 0.2)
            if self.far in ready:
                said = self.far.recv(65535)
                if not said:
                    break
                stream.setblocking(True)
                stream.sendall(said)
                stream.setblocking(False)
            while stream in ready or stream.pending():
                try:
                    got = stream.recv(65535)
                except (ssl.SSLWantReadError, BlockingIOError):
                    break
                if not got:
                    return
                held += got
                held = self.deliver(held)

    def deliver(self, held):
        while True:
            held = held.lstrip(b"\r\n")
            head, end, rest = held.partition(b"\r\n\r\n")
            if not end:
                return held
            length = int(re.search(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d+)", head).group(1))
            if len(rest) < length:
                return held
            self.far.send(head + end + rest[:length])
            held = rest[length:]


def dialled():
    """The PBX's connection."""
    plain = socket.create_connection(EDGE_TLS, source_address=(servers.PBX[0], 0))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(plain)


def awaited(listener):
    """The trunk's, which the edge opens."""
    plain, _ = listener.accept()
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context(ssl.PROTOCOL_TLS_SERVER).wrap_socket(plain, server_side=True)


listener = None
if kind.endswith("-srtp"):
    listener = socket.create_server(TRUNK_TLS)


class Calls(sipcalls.Calls):
    """Calls whose legs with keys are signalled over TLS."""

    def __init__(self):
        super().__init__(EDGE, A, B, media.SOCKS, kind.startswith("srtp"))
        via = (b"SIP/2.0/UDP", b"SIP/2.0/TLS")
        secure = []
        if kind.startswith("srtp"):
            self.ua.close()
            contact = b"@%s:%d>" % (servers.PBX[0].encode(), servers.PBX[1])
            secure = [via, (contact, contact[:-1] + b";transport=tls>")]
        called = [(CLEAR.encode(), SECURE.encode())] if kind.endswith("-srtp") else []
        if secure:
            self.ua = Stream(dialled, secure + called)
        elif called:
            plain, send = self.ua, self.ua.sendto
            self.ua = Dialling(plain, send, called)
        if kind.endswith("-srtp"):
            self.us.close()
            contact = b"@%s:%d>" % (servers.TRUNK[0].encode(), servers.TRUNK[1])
            here = b"@%s:%d;transport=tls>" % (TRUNK_TLS[0].encode(), TRUNK_TLS[1])
            self.us = Stream(lambda: awaited(listener), [(contact, here)])

    def on_b(self, message, source):
        super().on_b(message.replace(SECURE, CLEAR) if message.startswith("INVITE") else message, source)


class Dialling:
    """The PBX's socket in the clear, which dials the trunk over TLS."""

    def __init__(self, plain, send, replace):
        self.plain, self.send, self.replace = plain, send, replace

    def fileno(self):
        return self.plain.fileno()

    def sendto(self, message, to):
        for what, by in self.replace:
            message = message.replace(what, by)
        self.send(message, to)

    def recvfrom(self, octets):
        return self.plain.recvfrom(octets)

    def close(self):
        self.plain.close()


def relayed(server, streams):
    """One run of the generator: what the server spent on each packet."""
    place = os.path.join(servers.workdir(), "streams.txt")
    with open(place, "w", encoding="ascii") as file:
        file.write("\n".join(streams) + "\n")
    generator = subprocess.Popen(
        [servers.build("rtpgen", "-lsrtp2"), place, seconds, A[0], str(A[1]), B[0], str(B[1]), str(media.SOCKS), "10"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    generator.stdout.readline()
    before = sum(proc.cpu(server.pids))
    told = generator.stdout.readline()
    spent = sum(proc.cpu(server.pids)) - before
    generator.wait()
    saw = {name: float(value) for name, value in (word.split("=") for word in told.split())}
    each = spent * 1e9 / max(1, saw["got"])
    lost = 1 - saw["got"] / max(1, saw["sent"])
    print(
        f"{server.name} {kind} {calls} calls: {each:.0f} ns a packet, loss {lost:.6f}, bad {saw['bad']:.0f}, "
        f"dead legs {saw['dead_legs']:.0f}, delay p50 {saw['lat_p50_us']:.0f} us, p99 {saw['lat_p99_us']:.0f} us, "
        f"memory {proc.pss_mib(server.pids):.1f} MiB",
        flush=True,
    )
    return each


ratios = []
for _ in range(int(runs)):
    through = Calls()
    try:
        ours = relayed(servers.Sut([pid], "ringfence"), through.setup(int(calls), 100))
    finally:
        through.hangup()
    time.sleep(2)
    other = media.RtpEngine(threads)
    try:
        ratios.append(ours / relayed(other, other.setup(int(calls), kind)[0]))
    finally:
        other.stop()
pairs = ", ".join(f"{ratio:.2f}" for ratio in ratios)
print(f"RATIO ringfence/rtpengine {kind} {calls} calls: {statistics.median(ratios):.3f} (pairs {pairs})")
