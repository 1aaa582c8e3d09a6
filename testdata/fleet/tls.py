"""A certificate authority for one fleet, by the openssl command line: servers and the proxy get certificates of it."""

import os
import shutil

from .process import run


def authority(directory):
    """The CA's certificate (ca.crt), made on first use."""
    home = directory / "tls"
    home.mkdir(exist_ok=True)
    home.chmod(0o755)
    cert = home / "ca.crt"
    if not cert.exists():
        run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", "/CN=Affidavit test CA", "-addext", "basicConstraints=critical,CA:TRUE",
             "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", home / "ca.key", "-out", cert],
            what="making a test CA",
        )
        cert.chmod(0o644)
    return cert


def certificate(directory, name, *, names=("localhost",), owner=None, into=None):
    """(certificate, key) of a server called `name` on localhost, or as `names` say; the key is readable by `owner` (uid, gid) only."""
    authority(directory)
    home = directory / "tls"
    cert, key, request, extra = (home / f"{name}.{ext}" for ext in ("crt", "key", "csr", "ext"))
    if not cert.exists():
        run(
            ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
             "-keyout", key, "-out", request],
            what=f"making a key for {name}",
        )
        extra.write_text(
            f"subjectAltName={','.join(f'DNS:{word}' for word in names)},IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n"
        )
        run(
            ["openssl", "x509", "-req", "-in", request, "-CA", home / "ca.crt", "-CAkey", home / "ca.key", "-CAcreateserial",
             "-days", "30", "-extfile", extra, "-out", cert],
            what=f"signing the certificate of {name}",
        )
        cert.chmod(0o644)
    if into is not None:
        cert, key = (shutil.copy(path, into / path.name) for path in (cert, key))
        cert, key = into / f"{name}.crt", into / f"{name}.key"
    os.chmod(key, 0o600)
    if owner is not None:
        os.chown(key, *owner)
    return cert, key
