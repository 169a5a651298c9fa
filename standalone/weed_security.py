"""What closes the doors of SeaweedFS: mutual TLS on every gRPC and HTTP port but that of S3, and signed tokens.

A certificate authority is made, signs one certificate and is forgotten: its key is never written anywhere, so nobody
can be given a second certificate. Master, volume server, filer and the rest of `weed mini` share the one, as servers
and as clients of each other, and refuse everybody who does not present it. `tunerd` makes new ones at each start.

For containers the file runs by itself, with `cryptography` and nothing of ours:
`python weed_security.py FOLDER HOST...` makes what is missing in the folder.
"""

import datetime
import ipaddress
import json
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SETTINGS = "security.toml"
AUTHORITY, CERTIFICATE, KEY = "weed-ca.pem", "weed-certificate.pem", "weed-key.pem"

# All that `weed scaffold -config=security` knows of 4.48: a component without its section would listen in the clear.
_GRPC = ("volume", "master", "filer", "s3", "msg_broker", "msg_agent", "admin", "worker", "mq", "client")
_HTTPS = ("volume", "master", "filer", "admin")
_TOKENS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")

_VALID = datetime.timedelta(days=3650)
_CLOCKS_DIFFER = datetime.timedelta(days=1)


def write_security(folder: Path, hosts: Sequence[str], *, signing_key: str) -> None:
    """Make certificates, and the `security.toml` that names them; only the owner can read any of it.

    Args:
        folder: folder that `weed` reads, its working folder or /etc/seaweedfs; what it held before is replaced.
        hosts: names and addresses under which the components of `weed` call each other.
        signing_key: secret with which they sign the tokens that they hand to each other.
    """
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("tuner's SeaweedFS, authority", authority_key.public_key(), authority_key, None)
    certificate = _certificate("tuner's SeaweedFS", key.public_key(), authority_key, hosts)
    _write(folder / AUTHORITY, authority.public_bytes(serialization.Encoding.PEM))
    _write(folder / CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))
    unencrypted = serialization.NoEncryption()
    _write(
        folder / KEY,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted),
    )
    _write(folder / SETTINGS, _settings(folder, signing_key).encode())


def _settings(folder: Path, signing_key: str) -> str:
    authority, certificate, key = (
        json.dumps(str(folder / name), ensure_ascii=False) for name in (AUTHORITY, CERTIFICATE, KEY)
    )
    pair = f"cert = {certificate}\nkey = {key}\n"
    sections = {"grpc": f"ca = {authority}\n"}
    sections |= {f"grpc.{component}": pair for component in _GRPC}
    sections |= {f"https.{component}": f"{pair}ca = {authority}\n" for component in _HTTPS}
    sections["https.client"] = f"enabled = true\n{pair}ca = {authority}\n"
    sections |= dict.fromkeys(_TOKENS, f'key = "{signing_key}"\n')
    return "\n".join(f"[{name}]\n{text}" for name, text in sections.items())


def _certificate(
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    hosts: Sequence[str] | None,
) -> x509.Certificate:
    """A certificate for servers and clients at some hosts, or that of the authority itself."""
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("tuner's SeaweedFS, authority"))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=hosts is None, path_length=0 if hosts is None else None), critical=True)
    )
    if hosts is not None:
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    beside.replace(path)


def main(arguments: Sequence[str]) -> None:
    """Make what is missing; what is complete stays, since the running `weed` has read it."""
    folder, hosts = Path(arguments[0]), arguments[1:]
    if not (folder / SETTINGS).exists():  # it is written last
        write_security(folder, hosts, signing_key=secrets.token_hex(20))


if __name__ == "__main__":
    main(sys.argv[1:])
