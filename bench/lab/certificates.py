"""The certificates of a lab: an authority of its own, and one certificate that all its members show each other.

What lies in `member/` is copied to each machine of the lab. The authority's key stays where it was made; with it, further
members could be made.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

_DAYS = 3650


@dataclass(frozen=True)
class Member:
    """The files that a member shows and checks others by, in PEM."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """All of them."""
        return self.authority, self.certificate, self.key


def default_folder() -> Path:
    """Where certificates are looked for: the user's own configuration."""
    import platformdirs

    return Path(platformdirs.user_config_dir("nobuco", appauthor=False)) / "lab"


class Certificates:
    """The certificates in a folder.

    Args:
        folder: None: `default_folder()`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_folder() if folder is None else folder

    @property
    def _member(self) -> Member:
        folder = self.folder / "member"
        return Member(folder / "authority.pem", folder / "member.pem", folder / "member-key.pem")

    @property
    def there(self) -> bool:
        """Whether all files of a member are there."""
        return all(path.is_file() for path in self._member.files)

    def member(self) -> Member:
        """The files of a member. Raises BenchError when they are not there."""
        if not self.there:
            raise BenchError(
                f"there are no certificates of a lab in {self.folder}; `bench lab scheduler` makes them on its machine: "
                f"copy the folder member/ from there to {self.folder / 'member'}, or name another with --certificates"
            )
        return self._member

    def make(self) -> Member:
        """Make an authority and a member. Raises BenchError when the folder cannot be written."""
        member = self._member
        try:
            _private(self.folder)
            _private(member.key.parent)
            authority_key, authority = _authority()
            key, certificate = _signed(authority_key, authority)
            _write(self.folder / "authority-key.pem", _key_pem(authority_key))
            _write(member.certificate, _pem(certificate))
            _write(member.key, _key_pem(key))
            _write(member.authority, _pem(authority))
        except OSError as error:
            reason = error.strerror or str(error)
            raise BenchError(
                f"{self.folder}: certificates cannot be written: {reason}; give another folder with --certificates"
            ) from error
        return member


def _private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


def _write(path: Path, content: bytes) -> None:
    """Readable by its owner alone from the first byte on."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)


def _key_pem(key: "EllipticCurvePrivateKey") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _pem(certificate: "Certificate") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _authority() -> "tuple[EllipticCurvePrivateKey, Certificate]":
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    return key, _certificate("authority of a bench lab", key, None, key)


def _signed(
    authority_key: "EllipticCurvePrivateKey", authority: "Certificate"
) -> "tuple[EllipticCurvePrivateKey, Certificate]":
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    return key, _certificate("member of a bench lab", key, authority, authority_key)


def _certificate(
    name: str,
    key: "EllipticCurvePrivateKey",
    authority: "Certificate | None",
    authority_key: "EllipticCurvePrivateKey",
) -> "Certificate":
    """Signed by the authority; by itself where there is none."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if authority is None else authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of machines differ.
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
    )
    if authority is None:
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(authority_key, hashes.SHA256())
