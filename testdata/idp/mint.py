"""Sign tokens with the test issuer's own keys: good ones with chosen claims, and ones it would never issue.

    mint.py --sub dana --groups treating-clinicians --expires-in 300
    mint.py --defect expired

As a module: `Mint(issuer, keys_file).token(...)` and `.defective(name)`. Needs `cryptography` (the test venv has it).
"""

import argparse
import base64
import json
import secrets
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256


def b64(data):
    """Base64url without padding, as JOSE wants it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    """The bytes of a base64url field of a JWK."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text):
    """A JWK's big-endian number."""
    return int.from_bytes(unb64(text), "big")


def load(jwk):
    """A private key from its JWK (RFC 7517, RFC 8037)."""
    if jwk["kty"] == "RSA":
        public = rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"]))
        return rsa.RSAPrivateNumbers(
            number(jwk["p"]), number(jwk["q"]), number(jwk["d"]), number(jwk["dp"]), number(jwk["dq"]), number(jwk["qi"]), public
        ).private_key()
    if jwk["kty"] == "EC":
        return ec.derive_private_key(number(jwk["d"]), ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.from_private_bytes(unb64(jwk["d"]))


def sign(key, data):
    """A JWS signature by the key's own kind: RS256, ES256 or EdDSA."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return key.sign(data)


class Mint:
    """The issuer's keys in the hands of a tester."""

    def __init__(self, issuer, keys_file):
        self.issuer = issuer
        self.jwks = {jwk["alg"]: jwk for jwk in json.loads(Path(keys_file).read_text())["keys"]}
        self.keys = {alg: load(jwk) for alg, jwk in self.jwks.items()}

    def claims(self, **changes):
        """The claims of an agent's token; a change to None removes the claim."""
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": "affidavit", "sub": "repo:clinic/reports:ref:refs/heads/main",
            "email": "ci@clinic.example", "groups": ["ci-agents"], "iat": now, "exp": now + 3600, "jti": secrets.token_hex(8),
        } | changes
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, alg="ES256", header=None, key=None, **changes):
        """A signed token."""
        head = {"alg": alg, "typ": "at+jwt", "kid": self.jwks[alg]["kid"]} | (header or {})
        text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(self.claims(**changes)).encode())}"
        return f"{text}.{b64(sign(key or self.keys[alg], text.encode()))}"

    def defective(self, name):
        """A token with one thing wrong with it; see DEFECTS."""
        return DEFECTS[name](self)


def _unsigned(mint):
    return f"{b64(json.dumps({'alg': 'none'}).encode())}.{b64(json.dumps(mint.claims()).encode())}."


def _tampered(mint):
    head, body, signature = mint.token().split(".")
    claims = json.loads(unb64(body)) | {"groups": ["treating-clinicians"]}
    return f"{head}.{b64(json.dumps(claims).encode())}.{signature}"


def _hmac_with_public_key(mint):
    # The classic confusion: the RSA public key taken as an HMAC secret.
    import hashlib
    import hmac

    text = f"{b64(json.dumps({'alg': 'HS256', 'kid': 'rs256'}).encode())}.{b64(json.dumps(mint.claims()).encode())}"
    return f"{text}.{b64(hmac.new(mint.jwks['RS256']['n'].encode(), text.encode(), hashlib.sha256).digest())}"


_HOUR = 3600
DEFECTS = {
    "expired": lambda m: m.token(iat=int(time.time()) - 2 * _HOUR, exp=int(time.time()) - _HOUR),
    "no-expiry": lambda m: m.token(exp=None),
    "not-yet-valid": lambda m: m.token(nbf=int(time.time()) + _HOUR),
    "issued-in-future": lambda m: m.token(iat=int(time.time()) + _HOUR, exp=int(time.time()) + 2 * _HOUR),
    "wrong-audience": lambda m: m.token(aud="some-other-service"),
    "no-audience": lambda m: m.token(aud=None),
    "wrong-issuer": lambda m: m.token(iss="https://login.attacker.example"),
    "unsigned": _unsigned,
    "tampered": _tampered,
    "hmac-with-public-key": _hmac_with_public_key,
    "wrong-key": lambda m: m.token(key=ec.generate_private_key(ec.SECP256R1())),
    "unknown-kid": lambda m: m.token(header={"kid": "no-such-key"}, key=ec.generate_private_key(ec.SECP256R1())),
    "critical-header": lambda m: m.token(header={"crit": ["exp"]}),
    "oversized": lambda m: m.token(padding="x" * 80_000),  # more would not fit into an environment variable
    "not-a-token": lambda m: "hunter2",
    "empty-payload": lambda m: "..".join(m.token().split(".")[::2]),
    "no-subject": lambda m: m.token(sub=None),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--keys", required=True, help="the issuer's keys file")
    parser.add_argument("--alg", choices=("RS256", "ES256", "EdDSA"), default="ES256")
    parser.add_argument("--sub")
    parser.add_argument("--email")
    parser.add_argument("--groups", help="comma-separated")
    parser.add_argument("--audience")
    parser.add_argument("--expires-in", type=int, default=3600, metavar="SECONDS")
    parser.add_argument("--defect", choices=sorted(DEFECTS))
    args = parser.parse_args()
    mint = Mint(args.issuer, args.keys)
    if args.defect:
        print(mint.defective(args.defect))
        return
    changes = {"sub": args.sub, "email": args.email, "aud": args.audience}
    changes = {name: value for name, value in changes.items() if value is not None}
    if args.groups is not None:
        changes["groups"] = [group for group in args.groups.split(",") if group]
    print(mint.token(alg=args.alg, exp=int(time.time()) + args.expires_in, **changes))


if __name__ == "__main__":
    sys.exit(main())
