"""Handshakes that go wrong on purpose, as tlsfuzzer's scripts for client certificates make them, with tlslite-ng.

Reads from standard input a list of {"door", "port", "certificate", "key", "other_key"}; all files are PEM. Writes a JSON
object a line for each case: door, case, what was awaited, what was told. What was told is the alert's name, or
"answered" for an HTTP answer of any kind, or "closed" when the door hung up without an alert. Messages are changed after
the library has made them and before they enter its transcript, so that everything behind them fits: only the one rule
is broken.
"""

import json
import socket
import sys

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import AlertDescription, ContentType, HandshakeType
from tlslite.errors import TLSAbruptCloseError, TLSClosedConnectionError, TLSRemoteAlert
from tlslite.keyexchange import KeyExchange
from tlslite.messages import Alert, Certificate, CertificateVerify, ChangeCipherSpec, Finished, Message

PATIENCE_SECONDS = 20
REQUEST = b"GET /v1/whoami HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"

ECDSA_P256, ECDSA_P384, RSA_PKCS1, RSA_PSS = (4, 3), (5, 3), (4, 1), (8, 4)
ECDSA_SHA1, RSA_SHA1, ED25519, UNKNOWN = (2, 3), (2, 1), (8, 7), (0xFE, 0xFE)


def handshake(kind, body):
    """A handshake message whose length is right, whatever is in it."""
    return Message(ContentType.handshake, bytes([kind]) + len(body).to_bytes(3, "big") + bytes(body))


def vector(body, octets=3):
    return len(body).to_bytes(octets, "big") + bytes(body)


class Twisted(TLSConnection):
    """A client that sends something else in place of some of its messages."""

    def twist_with(self, twist):
        self._twist = twist

    def _sendMsg(self, msg, randomizeFirstBlock=True, update_hashes=True):
        for instead in self._twist(self, msg):
            yield from super()._sendMsg(instead, randomizeFirstBlock, update_hashes)

    def _shutdown(self, resumable):
        # The keys are needed for what the door says last.
        pass

    def alert(self):
        """What lies in the socket behind a connection that was cut while we wrote."""
        try:
            for result in self._getNextRecord():
                if result not in (0, 1):
                    header, parser = result
                    return Alert().parse(parser) if header.type == ContentType.alert else None
        except (TLSAbruptCloseError, TLSClosedConnectionError, ConnectionError):
            return None


def replacing(kind, make):
    """In place of each message of the kind, what `make` makes of it: a list."""

    def twist(connection, msg):
        return make(connection, msg) if isinstance(msg, kind) else [msg]

    return twist


def signature(change):
    def make(connection, verify):
        verify.create(bytearray(change(bytes(verify.signature))), verify.signatureAlgorithm)
        return [verify]

    return replacing(CertificateVerify, make)


def algorithm(scheme):
    """Claims the scheme for a signature that is right but for that."""

    def make(connection, verify):
        verify.create(verify.signature, scheme)
        return [verify]

    return replacing(CertificateVerify, make)


def over(context):
    """A signature by the right key over what the other side would sign."""

    def make(connection, verify):
        text = KeyExchange.calcVerifyBytes(
            (3, 4), connection._handshake_hash, ECDSA_P256, None, None, None, "sha256", context
        )
        verify.create(connection.key.sign(text, None, "sha256", None), ECDSA_P256)
        return [verify]

    return replacing(CertificateVerify, make)


def certificate_entries(connection):
    """The entries as TLS 1.3 has them, without extensions."""
    return b"".join(vector(x509.bytes) + vector(b"", 2) for x509 in connection.chain.x509List)


def certificate(body):
    """A Certificate message with a body of one's own."""
    return replacing(Certificate, lambda connection, _: [handshake(HandshakeType.certificate, body(connection))])


def list_of(connection, entries=None, context=b""):
    return vector(context, 1) + vector(certificate_entries(connection) if entries is None else entries)


def swapped():
    """CertificateVerify first, then Certificate; the signature is one over the transcript at its place."""
    held = []

    def twist(connection, msg):
        if isinstance(msg, Certificate):
            held.append(msg)
            return []
        if isinstance(msg, CertificateVerify):
            return [msg, held.pop()]
        return [msg]

    return twist


def before(kind, *extra):
    return replacing(kind, lambda connection, msg: [*extra, msg])


def after(kind, extra):
    return replacing(kind, lambda connection, msg: [msg, extra(connection, msg)])


def finished(change):
    def make(connection, msg):
        msg.verify_data = bytearray(change(bytes(msg.verify_data)))
        return [msg]

    return replacing(Finished, make)


def flipped(octets):
    return octets[:-1] + bytes([octets[-1] ^ 1])


def nothing(connection, msg):
    return [msg]


EMPTY_TICKET = handshake(HandshakeType.new_session_ticket, bytes(8) + vector(b"", 1) + vector(b"x", 2) + vector(b"", 2))
HELLO_AGAIN = handshake(HandshakeType.client_hello, b"\x03\x03" + bytes(32) + b"\0" + b"\0\2\x13\x01" + b"\1\0")
REQUEST_BY_CLIENT = handshake(13, b"\0" + vector(b"\0\x0d" + vector(vector(b"\4\3", 2), 2), 2))
KEY_UPDATE_OF_NO_KIND = handshake(24, b"\2")
DATA = Message(ContentType.application_data, REQUEST)

# The alert that RFC 8446 asks for, by its section.
TLS_1_3 = [
    # 4.4.3: the signature has to verify under the certificate's key, else decrypt_error.
    ("a signature with one bit changed", "decrypt_error", lambda: signature(flipped)),
    ("an empty signature", "decrypt_error", lambda: signature(lambda _: b"")),
    ("a signature of zeros only", "decrypt_error", lambda: signature(lambda s: bytes(len(s)))),
    ("a signature with an octet behind it", "decrypt_error", lambda: signature(lambda s: s + b"\0")),
    ("a signature over the server's text", "decrypt_error", lambda: over(b"server")),
    # 4.4.3: the algorithm has to be one of those in the CertificateRequest, and none of SHA-1's or PKCS#1 v1.5.
    ("PKCS#1 claimed", "illegal_parameter", lambda: algorithm(RSA_PKCS1)),
    ("SHA-1 with ECDSA claimed", "illegal_parameter", lambda: algorithm(ECDSA_SHA1)),
    ("SHA-1 with RSA claimed", "illegal_parameter", lambda: algorithm(RSA_SHA1)),
    ("an unknown algorithm claimed", "illegal_parameter", lambda: algorithm(UNKNOWN)),
    # 4.4.3: offered, but not of this key.
    ("another curve claimed", ("illegal_parameter", "decrypt_error"), lambda: algorithm(ECDSA_P384)),
    ("RSA-PSS claimed for an elliptic key", ("illegal_parameter", "decrypt_error"), lambda: algorithm(RSA_PSS)),
    ("Ed25519 claimed for an elliptic key", ("illegal_parameter", "decrypt_error"), lambda: algorithm(ED25519)),
    # 4.4: Certificate, CertificateVerify, Finished, in this order and each once; else unexpected_message.
    ("no CertificateVerify", "unexpected_message", lambda: replacing(CertificateVerify, lambda c, m: [])),
    ("no Certificate", "unexpected_message", lambda: replacing(Certificate, lambda c, m: [])),
    ("CertificateVerify before Certificate", "unexpected_message", lambda: swapped()),
    ("CertificateVerify twice", "unexpected_message", lambda: after(CertificateVerify, lambda c, m: m)),
    ("Certificate twice", "unexpected_message", lambda: after(Certificate, lambda c, m: m)),
    ("a request before Finished", "unexpected_message", lambda: before(Finished, DATA)),
    ("another ClientHello before Finished", "unexpected_message", lambda: before(Finished, HELLO_AGAIN)),
    ("an empty Certificate with a CertificateVerify", ("unexpected_message", "certificate_required"),
     lambda: certificate(lambda c: list_of(c, b""))),
    # 4.4.4
    ("a Finished with one bit changed", "decrypt_error", lambda: finished(flipped)),
    ("an empty Finished", ("decode_error", "decrypt_error"), lambda: finished(lambda _: b"")),
    ("a Finished that is too long", ("decode_error", "decrypt_error"), lambda: finished(lambda d: d + b"\0")),
    # 4.4.2, 6.2: what cannot be parsed is a decode_error.
    ("a list that promises more than there is", "decode_error",
     lambda: certificate(lambda c: b"\0" + (len(certificate_entries(c)) + 1).to_bytes(3, "big") + certificate_entries(c))),
    ("a list that promises less than there is", "decode_error",
     lambda: certificate(lambda c: b"\0" + (len(certificate_entries(c)) - 1).to_bytes(3, "big") + certificate_entries(c))),
    ("an octet behind the list", "decode_error", lambda: certificate(lambda c: list_of(c) + b"\0")),
    ("a certificate of no octets", ("decode_error", "bad_certificate"),
     lambda: certificate(lambda c: list_of(c, vector(b"") + vector(b"", 2)))),
    ("a Certificate without a body", "decode_error", lambda: certificate(lambda c: b"")),
    ("a certificate that is none", ("bad_certificate", "decode_error"),
     lambda: certificate(lambda c: list_of(c, vector(b"\x30\x03abc") + vector(b"", 2)))),
    ("more certificates than we read", ("bad_certificate", "certificate_unknown", "decode_error"),
     lambda: certificate(lambda c: list_of(c, certificate_entries(c) * 9))),
    ("a certificate of 60,000 octets", ("bad_certificate", "certificate_unknown", "decode_error"),
     lambda: certificate(lambda c: list_of(c, vector(bytes(60_000)) + vector(b"", 2)))),
    ("a CertificateVerify without a body", "decode_error",
     lambda: replacing(CertificateVerify, lambda c, m: [handshake(HandshakeType.certificate_verify, b"")])),
    ("a CertificateVerify that promises more than there is", "decode_error",
     lambda: replacing(CertificateVerify, lambda c, m: [handshake(HandshakeType.certificate_verify, b"\4\3\1\0abc")])),
    # 4.4.2: the context is the request's: empty within the handshake.
    ("a context of our own", ("illegal_parameter", "decode_error", "unexpected_message"),
     lambda: certificate(lambda c: list_of(c, context=b"x"))),
    # 5: a ChangeCipherSpec is one octet of 1.
    ("a ChangeCipherSpec of 2", ("unexpected_message", "illegal_parameter"),
     lambda: before(Finished, Message(ContentType.change_cipher_spec, b"\2"))),
]

# 4.6: sent once the handshake is over, in place of a request and then with one.
POST_HANDSHAKE = [
    ("a Certificate after the handshake", "unexpected_message", lambda c: handshake(11, list_of(c))),
    ("a CertificateVerify after the handshake", "unexpected_message", lambda c: handshake(15, b"\4\3\0\4abcd")),
    ("a Finished after the handshake", "unexpected_message", lambda c: handshake(20, bytes(32))),
    ("a ClientHello after the handshake", "unexpected_message", lambda c: HELLO_AGAIN),
    ("a CertificateRequest after the handshake", "unexpected_message", lambda c: REQUEST_BY_CLIENT),
    ("a ticket from the client", "unexpected_message", lambda c: EMPTY_TICKET),
    ("a KeyUpdate of no kind", "illegal_parameter", lambda c: KEY_UPDATE_OF_NO_KIND),
    ("a message of no kind", "unexpected_message", lambda c: handshake(77, b"")),
]

# RFC 5246.
TLS_1_2 = [
    # 7.4.8, 7.2.2
    ("a signature with one bit changed", "decrypt_error", lambda: signature(flipped)),
    ("an empty signature", ("decrypt_error", "decode_error"), lambda: signature(lambda _: b"")),
    ("SHA-1 with ECDSA claimed", ("illegal_parameter", "handshake_failure"), lambda: algorithm(ECDSA_SHA1)),
    ("SHA-1 with RSA claimed", ("illegal_parameter", "handshake_failure"), lambda: algorithm(RSA_SHA1)),
    ("MD5 with RSA claimed", ("illegal_parameter", "handshake_failure"), lambda: algorithm((1, 1))),
    ("RSA claimed for an elliptic key", ("illegal_parameter", "handshake_failure", "decrypt_error"),
     lambda: algorithm(RSA_PKCS1)),
    ("no CertificateVerify", "unexpected_message", lambda: replacing(CertificateVerify, lambda c, m: [])),
    ("no Certificate", "unexpected_message", lambda: replacing(Certificate, lambda c, m: [])),
    ("CertificateVerify twice", "unexpected_message", lambda: after(CertificateVerify, lambda c, m: m)),
    ("Certificate twice", "unexpected_message", lambda: after(Certificate, lambda c, m: m)),
    ("a Finished with one bit changed", "decrypt_error", lambda: finished(flipped)),
    ("a Finished before ChangeCipherSpec", "unexpected_message",
     lambda: before(ChangeCipherSpec, handshake(HandshakeType.finished, bytes(12)))),
    ("a certificate that is none", ("bad_certificate", "decode_error"),
     lambda: certificate(lambda c: vector(vector(b"\x30\x03abc")))),
    ("a list that promises more than there is", "decode_error", lambda: certificate(lambda c: b"\0\xff\xff" + vector(b"x"))),
]

# The library answers a HelloRequest, but begins none itself: the second hello is sent as it is.
RENEGOTIATION = ("a second ClientHello", ("no_renegotiation", "unexpected_message"), lambda c: HELLO_AGAIN)


class Stage:
    """One door, and who comes there."""

    def __init__(self, told):
        self.port = told["port"]
        self.key, self.other_key = (parsePEMKey(read(told[name]), private=True) for name in ["key", "other_key"])
        self.chain = X509CertChain()
        self.chain.parsePemList(read(told["certificate"]))

    def connection(self, twist):
        connection = Twisted(socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS))
        connection.chain, connection.key = self.chain, self.key
        connection.twist_with(twist)
        return connection

    def shake_hands(self, connection, version, key=None):
        settings = HandshakeSettings()
        settings.minVersion = settings.maxVersion = version
        settings.versions = [version]
        settings.eccCurves = ["x25519", "secp256r1"]
        settings.keyShares = ["x25519"]
        settings.cipherNames = ["aes128gcm"]
        # It would compress whatever the server had not asked to.
        settings.certificate_compression_send = settings.certificate_compression_receive = []
        connection.handshakeClientCert(self.chain, key or self.key, settings=settings, serverName="localhost")

    def tell(self, version, twist=nothing, post=None, **who):
        """What the door says in the end."""
        connection = self.connection(twist)
        try:
            self.shake_hands(connection, version, **who)
            connection.twist_with(nothing)
            if post is not None:
                for _ in connection._sendMsg(post(connection), update_hashes=False):
                    pass
            connection.write(REQUEST)
            answer = bytes(connection.read(max=65536, min=16))
            return "answered" if answer.startswith(b"HTTP/1.1 ") else "closed"
        except TLSRemoteAlert as alert:
            return AlertDescription.toStr(alert.description)
        except (TLSAbruptCloseError, TLSClosedConnectionError, ConnectionError):
            alert = connection.alert()
            return AlertDescription.toStr(alert.description) if alert else "closed"
        finally:
            connection.sock.close()

    def replay(self, version):
        """The signature of one session in the next."""
        kept = []

        def keep(connection, verify):
            kept.append(bytes(verify.signature))
            return [verify]

        if self.tell(version, replacing(CertificateVerify, keep)) != "answered":
            return "nothing to replay"
        return self.tell(version, signature(lambda _: kept[0]))


def cases(stage):
    """Every case: its name, what is awaited, what was told."""
    for version, named, table in [((3, 4), "TLS 1.3", TLS_1_3), ((3, 3), "TLS 1.2", TLS_1_2)]:
        # The stage itself: the same machinery, nothing twisted.
        yield f"{named}: as it should be", "answered", stage.tell(version)
        for name, awaited, twist in table:
            yield f"{named}: {name}", awaited, stage.tell(version, twist())
        other = stage.tell(version, key=stage.other_key)
        yield f"{named}: a signature by another key", "decrypt_error", other
        yield f"{named}: a signature of another session", "decrypt_error", stage.replay(version)
    for name, awaited, post in POST_HANDSHAKE:
        yield f"TLS 1.3: {name}", awaited, stage.tell((3, 4), post=post)
    name, awaited, post = RENEGOTIATION
    yield f"TLS 1.2: {name}", awaited, stage.tell((3, 3), post=post)


def read(name):
    with open(name) as file:
        return file.read()


def main():
    for door in json.load(sys.stdin):
        for name, awaited, told in cases(Stage(door)):
            awaited = [awaited] if isinstance(awaited, str) else list(awaited)
            print(json.dumps({"door": door["door"], "case": name, "awaited": awaited, "told": told}), flush=True)


main()
