"""Attacks on everything but the claims: algorithm, signature, key, header, encoding."""

import json

from tests.fakes.forgery import (
    Make,
    flipped,
    foreign,
    head,
    loose_bits,
    padded_to,
    resealed,
    spliced,
    trap,
    unsigned,
)
from tests.fakes.tokens import ABSENT, ec_key, public_jwk, public_pem, rsa_key, segment

FORM: dict[str, dict[str, Make]] = {
    "alg": {
        "none": unsigned("none"),
        "nOnE": unsigned("nOnE"),
        "None with a signature": head(alg="None"),
        "missing": head(alg=ABSENT),
        "null": head(alg=None),
        "array": head(alg=["RS256"]),
        "lower case": head(alg="rs256"),
        "unknown": head(alg="XX256"),
        "HS256 with the public PEM": lambda forger: forger.symmetric(public_pem(rsa_key("a"))),
        "HS256 with the stripped PEM": lambda forger: forger.symmetric(public_pem(rsa_key("a")).strip()),
        "HS256 with the JWKS": lambda forger: forger.symmetric(json.dumps({"keys": forger.jwks()}).encode()),
        "HS256 with the key's n": lambda forger: forger.symmetric(str(public_jwk(rsa_key("a"))["n"]).encode()),
        "HS256 with an empty key": lambda forger: forger.symmetric(b""),
        "HS256 with the published oct key": lambda forger: forger.symmetric(b"k" * 32, "symmetric"),
        "RS384": lambda forger: forger.signed_as("RS384"),
        "PS256": lambda forger: forger.signed_as("PS256"),
        "ES256 with r=s=0": lambda forger: (
            f"{segment(forger.header(alg='ES256', kid='ec'))}.{segment(forger.claims())}.{segment(bytes(64))}"
        ),
        "ES256 with an RSA kid": lambda forger: forger.signed_as("ES256", ec_key(), "a"),
        "RS256 with an EC kid": head(kid="ec"),
    },
    "signature": {
        "empty": spliced(lambda head, payload, _: f"{head}.{payload}."),
        "missing": spliced(lambda head, payload, _: f"{head}.{payload}"),
        "truncated": spliced(lambda head, payload, mac: f"{head}.{payload}.{mac[:-4]}"),
        "truncated at a byte": spliced(lambda head, payload, mac: f"{head}.{payload}.{mac[:336]}"),
        "bit-flipped": spliced(lambda head, payload, mac: f"{head}.{payload}.{flipped(mac)}"),
        "of zeros": spliced(lambda head, payload, _: f"{head}.{payload}.{segment(bytes(256))}"),
        "over a flipped payload": spliced(lambda head, payload, mac: f"{head}.{flipped(payload)}.{mac}"),
        "over a flipped header": spliced(lambda head, payload, mac: f"{flipped(head)}.{payload}.{mac}"),
        "over a changed header": lambda forger: ".".join(
            [segment(forger.header(typ="JWT")), *forger.token().split(".")[1:]]
        ),
        "of another token": lambda forger: ".".join(
            [*forger.token(scope="manage-assistance").split(".")[:2], forger.token().split(".")[2]]
        ),
        "payload truncated": spliced(lambda head, payload, mac: f"{head}.{payload[:-4]}.{mac}"),
        "header truncated": spliced(lambda head, payload, mac: f"{head[:-4]}.{payload}.{mac}"),
        "payload empty": spliced(lambda head, _, mac: f"{head}..{mac}"),
    },
    "key": {
        "another tenant's under our kid": foreign(kid="a"),
        "unknown kid": foreign(kid="unknown"),
        "no kid where there are two keys": head(kid=ABSENT),
        "kid empty": head(kid=""),
        "kid path traversal": foreign(kid="../../../../dev/null"),
        "kid SQL": foreign(kid="a' UNION SELECT 'k'; --"),
        "kid of 10 KB": foreign(kid="a" * 10_000),
        "kid array": head(kid=["a"]),
        "kid object": head(kid={"a": "a"}),
        "kid number": head(kid=1),
        "kid null": head(kid=None),
        "kid in other case": head(kid="A"),
        "use enc": trap("for-encryption"),
        "key_ops without verify": trap("for-signing-only"),
        "alg mismatch": trap("other-algorithm"),
        "private part published": trap("private"),
        "RSA 1024": lambda forger: forger.headed(rsa_key("small", 1024), kid="small"),
        "kty oct": trap("symmetric"),
        "removed from the JWKS": lambda forger: forger.headed(rsa_key("removed"), kid="removed"),
    },
    "header": {
        "jku": foreign(kid="evil", jku="https://evil.example/jwks.json"),
        "x5u": foreign(kid="evil", x5u="https://evil.example/cert.pem"),
        "jwk": foreign(kid="evil", jwk=public_jwk(rsa_key("foreign"), kid="evil")),
        "jwk under our kid": foreign(jwk=public_jwk(rsa_key("foreign"), kid="a")),
        "x5c": foreign(x5c=["MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"]),
        "crit unknown": head(crit=["urn:example"], **{"urn:example": 1}),
        "crit known to a library": head(crit=["b64"], b64=True),
        "crit empty": head(crit=[]),
        "b64 false": head(b64=False),
        "b64 false and critical": head(b64=False, crit=["b64"]),
        "zip": head(zip="DEF"),
        "enc": head(alg="RSA-OAEP", enc="A256GCM"),
        "enc beside a signature": head(enc="A256GCM"),
        "typ unknown": head(typ="logout+jwt"),
        "typ of a DPoP proof": head(typ="dpop+jwt"),
        "typ number": head(typ=1),
        "alg twice": lambda forger: forger.seal(
            segment(b'{"alg":"none","alg":"RS256","typ":"JWT","kid":"a"}'), segment(forger.claims())
        ),
        "array": lambda forger: forger.seal(segment(b'["RS256"]'), segment(forger.claims())),
        "deep": lambda forger: forger.seal(
            segment(b'{"alg":"RS256","kid":"a","x":' + b"[" * 2000 + b"]" * 2000 + b"}"), segment(forger.claims())
        ),
    },
    "form": {
        "empty": lambda _: "",
        "two dots": lambda _: "..",
        "one word": lambda _: "token",
        "no ASCII": spliced(lambda head, payload, mac: f"{head}.{payload}.{mac[:-1]}é"),
        "JWE": spliced(lambda head, payload, mac: f"{head}.{mac}.AAAA.{payload}.AAAA"),
        "four parts": spliced(lambda head, payload, mac: f"{head}.{payload}.{mac}.AAAA"),
        "JSON serialisation": spliced(
            lambda head, payload, mac: json.dumps({"protected": head, "payload": payload, "signature": mac})
        ),
        "nested": lambda forger: forger.seal(segment(forger.header(cty="JWT")), segment(forger.token().encode())),
        "payload padded": resealed(lambda head, payload: (head, payload + "=" * (-len(payload) % 4 or 4))),
        "header padded": resealed(lambda head, payload: (head + "=" * (-len(head) % 4 or 4), payload)),
        "signature padded": spliced(lambda head, payload, mac: f"{head}.{payload}.{mac}=="),
        "junk in the payload": resealed(lambda head, payload: (head, f"{payload[:8]}!{payload[8:]}")),
        "line feed in the payload": resealed(lambda head, payload: (head, f"{payload[:8]}\n{payload[8:]}")),
        "line feed at the end": spliced(lambda head, payload, mac: f"{head}.{payload}.{mac}\n"),
        "space before": spliced(lambda head, payload, mac: f" {head}.{payload}.{mac}"),
        "plain base64 alphabet": spliced(
            lambda head, payload, mac: f"{head}.{payload}.{mac.replace('-', '+').replace('_', '/')}"
        ),
        "unused bits of the signature": spliced(lambda head, payload, mac: f"{head}.{payload}.{loose_bits(mac)}"),
        "unused bits of the payload": lambda forger: forger.seal(
            segment(forger.header()), loose_bits(padded_to(2, forger))
        ),
    },
}
