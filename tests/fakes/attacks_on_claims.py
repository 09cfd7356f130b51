"""Attacks by the claims of a correctly signed token, and claims that grant no scope."""

import json

from tests.fakes.forgery import Make, claim, json_tail, payload, raw_expiry
from tests.fakes.tokens import ABSENT

INVALID: dict[str, dict[str, Make]] = {
    "payload": {
        "not JSON": payload(b"hello"),
        "empty": payload(b""),
        "array": payload(b"[1]"),
        "string": payload(b'"a"'),
        "1 MB": claim("junk", "x" * 1_000_000),
        "9 KB": claim("junk", "x" * 9_000),
        "10,000 deep": payload(b"[" * 10_000 + b"]" * 10_000),
        "2,000 deep within the cap": json_tail(', "x": ' + "[" * 2000 + "]" * 2000),
        "40 deep": json_tail(', "x": ' + "[" * 40 + "]" * 40),
        "invalid UTF-8": lambda forger: forger.paid(json.dumps(forger.claims()).encode()[:-1] + b', "x": "\xff"}'),
        "UTF-16": lambda forger: forger.paid(json.dumps(forger.claims()).encode("utf-16")),
        "byte order mark": lambda forger: forger.paid(json.dumps(forger.claims()).encode("utf-8-sig")),
        "lone surrogate": claim("x", "\ud800"),
        "trailing text": lambda forger: forger.paid(json.dumps(forger.claims()).encode() + b"{}"),
        "NaN": json_tail(', "x": NaN'),
        "infinity": json_tail(', "x": -Infinity'),
        "scope twice": json_tail(', "scope": "manage-assistance"'),
        "sub twice": json_tail(', "sub": "admin"'),
        "number of 5,000 digits": json_tail(', "x": ' + "9" * 5000),
    },
    "time": {
        "exp past": lambda forger: forger.token(exp=int(forger.now) - 3600),
        "exp at the edge of any leeway": lambda forger: forger.token(exp=int(forger.now) - 60),
        "exp missing": claim("exp", ABSENT),
        "exp string": claim("exp", "9999999999"),
        "exp negative": claim("exp", -1),
        "exp zero": claim("exp", 0),
        "exp NaN": claim("exp", float("nan")),
        "exp infinite": raw_expiry("1e999"),
        "exp beyond floats": raw_expiry("9" * 400),
        "exp bool": claim("exp", True),  # noqa: FBT003 - the claim's value
        "exp null": claim("exp", None),
        "exp array": claim("exp", [9999999999]),
        "nbf in the future": lambda forger: forger.token(nbf=int(forger.now) + 3600),
        "nbf string": claim("nbf", "0"),
        "nbf bool": claim("nbf", False),  # noqa: FBT003 - the claim's value
        "nbf null": claim("nbf", None),
        "iat in the future": lambda forger: forger.token(iat=int(forger.now) + 3600),
        "iat string": claim("iat", "0"),
    },
    "iss": {
        "missing": claim("iss", ABSENT),
        "without slash": lambda forger: forger.token(iss=forger.issuer.rstrip("/")),
        "other scheme": lambda forger: forger.token(
            iss=forger.issuer.replace("http:", "https:", 1)
            if forger.issuer.startswith("http:")
            else forger.issuer.replace("https:", "http:", 1)
        ),
        "upper case": lambda forger: forger.token(iss=forger.issuer.upper()),
        "prefix": lambda forger: forger.token(iss=forger.issuer + "x"),
        "suffix": lambda forger: forger.token(iss="x" + forger.issuer),
        "array": lambda forger: forger.token(iss=[forger.issuer]),
        "null": claim("iss", None),
        "of another tenant": claim("iss", "https://evil.example/"),
    },
    "aud": {
        "missing": claim("aud", ABSENT),
        "other": claim("aud", "https://other.example"),
        "ours within": lambda forger: forger.token(aud=f"x{forger.audience}x"),
        "part of ours": lambda forger: forger.token(aud=forger.audience[:-1]),
        "upper case": lambda forger: forger.token(aud=forger.audience.upper()),
        "empty": claim("aud", ""),
        "empty array": claim("aud", []),
        "array of others": claim("aud", ["https://other.example", "x"]),
        "nested array": lambda forger: forger.token(aud=[[forger.audience]]),
        "object": lambda forger: forger.token(aud={forger.audience: True}),
        "array with a number": lambda forger: forger.token(aud=[forger.audience, 1]),
        "null": claim("aud", None),
    },
    "ID token": {
        "nonce": claim("nonce", "n-0S6_WzA2Mj"),
        "at_hash": claim("at_hash", "77QmUPtjPfzWtF2AnpK9RQ"),
        "c_hash": claim("c_hash", "LDktKdoQak3Pk0cnXxCltA"),
        "s_hash": claim("s_hash", "LDktKdoQak3Pk0cnXxCltA"),
    },
    "sub": {
        "missing": claim("sub", ABSENT),
        "empty": claim("sub", ""),
        "null": claim("sub", None),
        "number": claim("sub", 1),
        "array": claim("sub", ["bot-1@clients"]),
        "too long": claim("sub", "x" * 256),
        "with NUL": claim("sub", "bot-1\x00@clients"),
        "with a line feed": claim("sub", "bot-1@clients\nadmin"),
    },
}

FORBIDDEN: dict[str, dict[str, Make]] = {
    "scope": {
        "missing": claim("scope", ABSENT),
        "empty": claim("scope", ""),
        "longer": claim("scope", "request-assistance-x"),
        "with something before": claim("scope", "xrequest-assistance"),
        "shorter": claim("scope", "request"),
        "upper case": claim("scope", "REQUEST-ASSISTANCE"),
        "tab-separated": claim("scope", "ping\trequest-assistance"),
        "comma-separated": claim("scope", "ping,request-assistance"),
        "line-separated": claim("scope", "ping\nrequest-assistance"),
        "no-break space": claim("scope", "ping\u00a0request-assistance"),
        "array": claim("scope", ["request-assistance"]),
        "object": claim("scope", {"request-assistance": True}),
        "look-alike hyphen": claim("scope", "request\u2010assistance"),
        "look-alike letter": claim("scope", "reque\u0455t-assistance"),
        "full width": claim("scope", "\uff52equest-assistance"),
        "with zero-width space": claim("scope", "request-assistance\u200b"),
        "under another name": lambda forger: forger.token(scope=ABSENT, scp="request-assistance"),
    },
    "permissions": {
        "string": lambda forger: forger.token(scope=ABSENT, permissions="request-assistance"),
        "object": lambda forger: forger.token(scope=ABSENT, permissions={"request-assistance": True}),
        "nested array": lambda forger: forger.token(scope=ABSENT, permissions=[["request-assistance"]]),
        "two in one element": lambda forger: forger.token(scope=ABSENT, permissions=["ping request-assistance"]),
        "longer": lambda forger: forger.token(scope=ABSENT, permissions=["request-assistance-x"]),
        "upper case": lambda forger: forger.token(scope=ABSENT, permissions=["REQUEST-ASSISTANCE"]),
    },
}
