"""baresip as a phone that is told what to do in lines on stdin and tells what happened in JSON lines on stdout.

    baresip.py ADDRESS PORT EDGE USER TRANSPORT [CERTS VERSION]

EDGE is where it sends its calls, host:port; TRANSPORT is udp, or tls with a folder of certificates and the version that it is to
speak, which is whatever both know. Its connections come from whatever address the system picks.

In the environment, PHONE_TONE is the pitch in Hz of what it says, and PHONE_ENCRYPTION how it is protected: none, srtp or dtls; what
it hears then goes to dump-*-dec.wav in its folder. Without a tone it says nothing.

Owns no scenario: those lie in tests/peers.rs. Writes baresip's configuration, starts it, and speaks with it over its
ctrl_tcp module (netstrings of JSON). baresip's own log, every SIP message in it, goes to stderr.
"""

import json
import math
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import wave

tone, encryption = os.environ.get("PHONE_TONE"), os.environ.get("PHONE_ENCRYPTION", "none")
address, port, edge, user, over, *tls = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
if over == "tcp":
    sys.exit("over TCP its address says who it is, and it connects from whatever address the system picks")

# How long it has something to say.
TONE_SECONDS = 30
CONFIG = """
poll_method epoll
sip_listen {address}:{listen}
{files}
call_local_timeout 120
call_max_calls 4
audio_player aubridge,quiet
audio_source {source}
audio_alert aubridge,quiet
net_interface {address}
ctrl_tcp_listen {address}:4444
ringback_disabled yes
module_path /usr/lib/baresip/modules
{modules}
module g711.so
module aubridge.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
"""
ACCOUNT = "<sip:{user}@{address};transport={over}>;regint=0;answermode=manual;audio_codecs=PCMU/8000/1,PCMA/8000/1{media}\n"
# Its modules and its account's word for each way of protecting speech.
ENCRYPTION = {"none": ("", ""), "srtp": ("module srtp.so", "srtp-mand"), "dtls": ("module srtp.so\nmodule dtls_srtp.so", "dtls_srtp")}
# Its events in the words that both phones share, with the status that they stand for where they name none.
STATES = {
    "CALL_INCOMING": ("incoming", 0),
    "CALL_RINGING": ("early", 180),
    "CALL_PROGRESS": ("early", 183),
    "CALL_ESTABLISHED": ("talking", 200),
    "CALL_CLOSED": ("over", 200),
    "CALL_DTMF_START": ("digit", 0),
    "TRANSFER_FAILED": ("transfer", 0),
}


def tell(event, **facts):
    """One event, as one line."""
    print(json.dumps({"event": event, **facts}), flush=True)


def connect():
    """The control socket, once baresip listens."""
    until = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection((address, 4444))
        except OSError:
            if time.monotonic() > until or baresip.poll() is not None:
                raise
            time.sleep(0.05)


def command(line):
    """One command of a scenario in baresip's own words."""
    name, *words = line.split()
    spoken = {
        "dial": lambda number: ("dial", f"sip:{number}@{edge}"),
        "answer": lambda status: ("answermode", "early") if status == "183" else ("accept", ""),
        "hang_up": lambda: ("hangup", ""),
        "hold": lambda: ("hold", ""),
        "resume": lambda: ("resume", ""),
        "reinvite": lambda codecs="": ("reinvite", ""),
        "transfer": lambda uri: ("transfer", uri),
        "info": lambda digits: ("sndcode", digits),
        "answermode": lambda mode: ("answermode", mode),
    }[name](*words)
    body = json.dumps({"command": spoken[0], "params": spoken[1], "token": name})
    control.sendall(f"{len(body)}:{body},".encode())


def netstrings(octets):
    """The whole netstrings at the front, and what is left."""
    found = []
    while b":" in octets:
        length, rest = octets.split(b":", 1)
        size = int(length)
        if len(rest) <= size:
            break
        found.append(json.loads(rest[:size]))
        octets = rest[size + 1 :]
    return found, octets


def event(heard):
    """What baresip said, in the words that both phones share."""
    if "type" not in heard:
        return tell("done" if heard.get("ok") else "refused", command=heard.get("token"), reason=heard.get("data"))
    name, status = STATES.get(heard["type"], (None, 0))
    param = heard.get("param", "")
    if name in ("over", "transfer") and param[:3].isdigit():
        status = int(param[:3])
    return name and tell(name, status=status, reason=param, digit=param, caller=heard.get("peeruri", ""))


folder = tempfile.mkdtemp(prefix="baresip-", dir=os.getcwd())
listen, files = port, ""
if tls:
    # It wants the certificate and its key in one file, and listens for TLS at the port behind the one it is told.
    with open(f"{folder}/own.pem", "w", encoding="ascii") as own:
        for name in ("server.pem", "server.key"):
            with open(f"{tls[0]}/{name}", encoding="ascii") as file:
                own.write(file.read())
    listen, files = port - 1, f"sip_certificate {folder}/own.pem\nsip_cafile {tls[0]}/ca.pem"
modules, word = ENCRYPTION[encryption]
source = "aubridge,quiet"
if tone:
    source, modules = f"aufile,{folder}/tone.wav", f"{modules}\nmodule aufile.so\nmodule sndfile.so\nsnd_path {os.getcwd()}"
    with wave.open(f"{folder}/tone.wav", "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        samples = (round(8000 * math.sin(2 * math.pi * int(tone) * at / 8000)) for at in range(8000 * TONE_SECONDS))
        file.writeframes(b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples))
with open(f"{folder}/config", "w", encoding="ascii") as file:
    file.write(CONFIG.format(address=address, listen=listen, files=files, source=source, modules=modules))
with open(f"{folder}/accounts", "w", encoding="ascii") as file:
    media = f";mediaenc={word}" if word else ""
    file.write(ACCOUNT.format(user=user, address=address, over=over, media=media))
# Line by line, or its log would come in blocks of some kilobytes.
baresip = subprocess.Popen(["stdbuf", "-oL", "baresip", "-4", "-s", "-f", folder], stdin=subprocess.DEVNULL, stdout=2)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
try:
    control = connect()
    tell("ready")
    commands = answers = b""
    while True:
        for source in select.select([0, control], [], [])[0]:
            read = os.read(source if source == 0 else control.fileno(), 65536)
            if not read:
                sys.exit(0)
            if source == 0:
                *lines, commands = (commands + read).split(b"\n")
                for one in lines:
                    command(one.decode())
            else:
                events, answers = netstrings(answers + read)
                for one in events:
                    event(one)
finally:
    baresip.kill()
    baresip.wait()
