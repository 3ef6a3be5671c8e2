"""PJSUA as a phone that is told what to do in lines on stdin and tells what happened in JSON lines on stdout.

    pjsua.py ADDRESS PORT EDGE USER TRANSPORT [CERTS VERSION]

EDGE is where it sends its calls, host:port; TRANSPORT is udp, tcp or tls, the last with a folder of certificates and the version
of TLS that it speaks.

In the environment, PHONE_TONE is the pitch in Hz of what it says, and PHONE_ENCRYPTION how that is protected: none or srtp; what it
hears then goes to heard-*-dec.wav in its folder. Without a tone it says nothing.

Owns no scenario: those lie in tests/peers.rs. Its own log, every SIP message in it, goes to stderr.
"""

import ctypes
import gc
import json
import os
import select
import sys

out = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # PJSIP's log is printed by C to the first descriptor

import pjsua2 as pj  # noqa: E402  (after the descriptors are sorted)

tone, encryption = os.environ.get("PHONE_TONE"), os.environ.get("PHONE_ENCRYPTION", "none")
address, port, edge, user, over, *tls = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
libc = ctypes.CDLL(None)

PRACK = {"none": pj.PJSUA_100REL_NOT_USED, "offered": pj.PJSUA_100REL_OPTIONAL, "required": pj.PJSUA_100REL_MANDATORY}
VERSIONS = {"1.1": pj.PJ_SSL_SOCK_PROTO_TLS1_1, "1.2": pj.PJ_SSL_SOCK_PROTO_TLS1_2}
KINDS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
TIMER = {"none": pj.PJSUA_SIP_TIMER_INACTIVE, "offered": pj.PJSUA_SIP_TIMER_ALWAYS, "required": pj.PJSUA_SIP_TIMER_REQUIRED}


def tell(event, **facts):
    """One event, as one line."""
    out.write(json.dumps({"event": event, **facts}) + "\n")


class Call(pj.Call):
    """Tells every change of its state and of its media."""

    def onCallState(self, prm):
        info = self.getInfo()
        state = {
            pj.PJSIP_INV_STATE_EARLY: "early",
            pj.PJSIP_INV_STATE_CONFIRMED: "talking",
            pj.PJSIP_INV_STATE_DISCONNECTED: "over",
        }.get(info.state)
        if state:
            tell(state, status=info.lastStatusCode, reason=info.lastReason)
        if state == "over" and phone.call is self:
            phone.call = None

    def onCallMediaState(self, prm):
        info = self.getInfo()  # its list of media lives no longer than it does
        for media in info.media:
            if tone and media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                audio = self.getAudioMedia(media.index)
                phone.voice.startTransmit(audio)
                if not phone.ear:
                    phone.ear = pj.AudioMediaRecorder()
                    phone.ear.createRecorder(f"heard-{os.getpid()}-dec.wav")
                audio.startTransmit(phone.ear)

    def onCallTransferStatus(self, prm):
        tell("transfer", status=prm.statusCode, reason=prm.reason)

    def onDtmfEvent(self, prm):
        tell("digit", digit=prm.digit)


class Account(pj.Account):
    """Takes calls; a second one beside a live one is busy."""

    def onIncomingCall(self, prm):
        call = Call(self, prm.callId)
        if phone.call:
            busy = pj.CallOpParam()
            busy.statusCode = 486
            call.answer(busy)
            return
        phone.call = call
        info = call.getInfo()
        ringing = pj.CallOpParam()
        ringing.statusCode = 180
        call.answer(ringing)
        tell("incoming", caller=info.remoteUri, called=info.localUri)


class Phone:
    """The commands; each is a method that is called with the words after its name."""

    def __init__(self):
        self.call = None
        self.gone = []
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = 4
        config.logConfig.level = 5
        config.logConfig.consoleLevel = 5
        config.medConfig.noVad = True
        if tone:
            config.medConfig.clockRate = 8000
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.boundAddress = address
        transport.port = port
        if tls:
            certs, version = tls
            transport.tlsConfig.CaListFile = f"{certs}/ca.pem"
            transport.tlsConfig.certFile = f"{certs}/server.pem"
            transport.tlsConfig.privKeyFile = f"{certs}/server.key"
            transport.tlsConfig.proto = VERSIONS[version]
            transport.tlsConfig.verifyServer = True
        self.endpoint.transportCreate(KINDS[over], transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        self.config = pj.AccountConfig()
        self.config.idUri = f"sip:{user}@{address};transport={over}"
        self.config.mediaConfig.transportConfig.boundAddress = address
        self.config.mediaConfig.transportConfig.port = 20000
        # A re-INVITE of its own as soon as an answer has two codecs comes where a scenario asks for it.
        self.config.mediaConfig.lockCodecEnabled = False
        self.config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_INACTIVE
        if encryption == "srtp":
            self.config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
            self.config.mediaConfig.srtpSecureSignaling = 1
        self.account = Account()
        self.account.create(self.config)
        self.codecs("PCMU,PCMA")
        if tone:
            self.speak(int(tone))

    def speak(self, pitch):
        """A tone without an end, for every call."""
        self.voice, self.ear = pj.ToneGenerator(), None
        self.voice.createToneGenerator(8000)
        desc = pj.ToneDesc()
        desc.freq1, desc.freq2, desc.on_msec, desc.off_msec = pitch, 0, 1000, 0
        tones = pj.ToneDescVector()
        tones.append(desc)
        self.voice.play(tones, True)

    def hush(self):
        """What it has heard is written."""
        del self.ear
        self.ear = None
        gc.collect()

    def flags(self, flag=0):
        param = pj.CallOpParam(True)
        param.opt.flag |= flag
        param.opt.videoCount = 0
        return param

    def account_is(self, *settings):
        """Settings for the calls to come, as NAME=VALUE."""
        calls = self.config.callConfig
        for name, value in (setting.split("=") for setting in settings):
            if name == "prack":
                calls.prackUse = PRACK[value]
            elif name == "timer":
                calls.timerUse = TIMER[value]
            elif name == "expires":
                calls.timerSessExpiresSec = int(value)
            else:
                self.config.mediaConfig.lockCodecEnabled = {"yes": True, "no": False}[value]
        self.account.modify(self.config)

    def codecs(self, names):
        names = names.split(",")
        for codec in self.endpoint.codecEnum2():
            name = codec.codecId.split("/")[0]
            rank = 255 - names.index(name) if name in names else 0
            self.endpoint.codecSetPriority(codec.codecId, rank)

    def dial(self, number, offer="now"):
        param = self.flags(pj.PJSUA_CALL_NO_SDP_OFFER if offer == "late" else 0)
        self.call = Call(self.account)
        self.call.makeCall(f"sip:{number}@{edge};transport={over}", param)

    def answer(self, status):
        param = self.flags()
        param.statusCode = int(status)
        self.call.answer(param)

    def hang_up(self):
        self.call.hangup(self.flags())

    def hold(self):
        self.call.setHold(self.flags())

    def resume(self):
        self.call.reinvite(self.flags(pj.PJSUA_CALL_UNHOLD))

    def reinvite(self, codecs):
        self.codecs(codecs)
        self.call.reinvite(self.flags(pj.PJSUA_CALL_REINIT_MEDIA))

    def ask_for_an_offer(self):
        self.call.reinvite(self.flags(pj.PJSUA_CALL_NO_SDP_OFFER))

    def update(self, codecs):
        self.codecs(codecs)
        self.call.update(self.flags(pj.PJSUA_CALL_REINIT_MEDIA))

    def redirect(self, uri):
        param = self.flags()
        param.statusCode = 302
        contact = pj.SipHeader()
        contact.hName, contact.hValue = "Contact", f"<{uri}>"
        param.txOption.headers.append(contact)
        self.call.answer(param)

    def transfer(self, uri):
        self.call.xfer(uri, self.flags())

    def info(self, digits):
        param = pj.CallSendDtmfParam()
        param.method = pj.PJSUA_DTMF_METHOD_SIP_INFO
        param.digits = digits
        self.call.sendDtmf(param)


def obey(line):
    """One command; what the library refuses is told and is the scenario's to judge."""
    words = line.split()
    try:
        getattr(phone, words[0])(*words[1:])
        tell("done", command=words[0])
    except pj.Error as refusal:
        tell("refused", command=words[0], reason=refusal.info(True))


phone = Phone()
tell("ready")
pending = b""
while True:
    phone.endpoint.libHandleEvents(20)
    libc.fflush(None)
    if not select.select([0], [], [], 0)[0]:
        continue
    read = os.read(0, 4096)
    if not read:
        break
    *lines, pending = (pending + read).split(b"\n")
    for one in lines:
        obey(one.decode())
os._exit(0)  # who closes our stdin wants no last call, and PJSIP would send BYEs
