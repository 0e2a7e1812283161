"""Building the image of an emulated machine: a kernel and an initramfs with a real adbd, a libc and busybox."""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from devices.cache import build_once, cache_folder, sha256_of
from devices.debian import RELEASE, PackageSource
from devices.emulator.cpio import pack_initramfs
from devices.emulator.kinds import MachineKind
from devices.errors import DeviceError
from devices.protocol import EMULATED_MARK

# adbd, what its libraries need, and what libLiteRt.so needs (libstdc++, libgcc, libm).
_PACKAGES = """
adbd android-libbase android-libboringssl android-libcutils android-liblog busybox-static libbrotli1 libc6
libcap2 libgcc-s1 liblz4-1 libprotobuf32t64 libstdc++6 libsystemd0 libxxhash0 libzstd1 zlib1g
"""
_ANDROID_LIBRARIES = ("libbase", "libcutils", "liblog", "libcrypto", "libssl")
_MODULE = "virtio_net"
_ROOT_FOLDERS = ("proc", "sys", "dev", "tmp", "data", "lib", "bin", "etc", "root", "modules", "usr/bin")
_APPLETS = """
sh ash mount umount insmod ifconfig uname cat ls mkdir rmdir chmod chown rm mv cp ln sha256sum stat echo
printf sleep id grep sed awk cut head tail wc sort uniq tr nproc df du env time timeout taskset kill killall
pidof ps test [ true false touch dd seq find xargs sync date dmesg free hostname yes readlink realpath
basename dirname tee od hexdump setsid nohup which
"""

_INIT = """\
#!/bin/sh
# The first process of an emulated machine: mounts, network, then adbd for ever.
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts pts /dev/pts
mount -t tmpfs -o size=75% data /data
mkdir -p /data/local/tmp
while read -r module; do insmod /modules/$module; done < /modules/order
ifconfig lo up
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
while :; do
  adbd >/dev/null 2>&1
  sleep 1
done
"""


@dataclass(frozen=True)
class Image:
    """A built machine."""

    kernel: Path
    initramfs: Path
    manifest: Path

    @property
    def digest(self) -> str:
        """Twelve digits that name this very kernel and initramfs; same digits, same counts."""
        content: dict[str, str] = json.loads(self.manifest.read_text(encoding="utf-8"))["files"]
        return hashlib.sha256("".join(sorted(content.values())).encode()).hexdigest()[:12]


def image_folder(kind: MachineKind) -> Path:
    """Where the image that this version of the recipe builds belongs."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    return cache_folder("machines", kind.name) / f"image-{recipe}"


def find_image(kind: MachineKind) -> Image | None:
    """The built image, if there is one."""
    folder = image_folder(kind)
    return _image(folder) if folder.exists() else None


def build_image(kind: MachineKind) -> Image:
    """The image, built from Debian's packages when the cache has none (about ten seconds, no root)."""
    return _image(build_once(image_folder(kind), lambda folder: _build(kind, folder)))


def _image(folder: Path) -> Image:
    return Image(folder / "vmlinuz", folder / "initramfs.gz", folder / "manifest.json")


def _build(kind: MachineKind, folder: Path) -> Path:
    source = PackageSource(folder / "apt", kind.debian)
    kernel = source.newest_dependency(f"linux-image-cloud-{kind.debian}", "linux-image-")
    archives = source.fetch([kernel, *_PACKAGES.split()])
    unpacked = source.unpack(archives)
    target, root = folder / "image", folder / "root"
    target.mkdir()
    _fill_root(kind, unpacked, root)
    pack_initramfs(root, target / "initramfs.gz")
    shutil.copyfile(_only(unpacked / "boot", "vmlinuz-*"), target / "vmlinuz")
    manifest = {
        "release": RELEASE,
        "packages": {archive.name: sha256_of(archive) for archive in archives},
        "files": {name: sha256_of(target / name) for name in ("vmlinuz", "initramfs.gz")},
    }
    (target / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return target


def _fill_root(kind: MachineKind, unpacked: Path, root: Path) -> None:
    for name in _ROOT_FOLDERS:
        (root / name).mkdir(parents=True)
    libraries = root / "usr/lib" / kind.triplet
    _copy_libraries(unpacked / "usr/lib" / kind.triplet, libraries)
    loader = root / kind.loader.lstrip("/")
    loader.parent.mkdir(exist_ok=True)
    loader.symlink_to(f"/usr/lib/{kind.triplet}/{loader.name}")
    (root / "lib" / kind.triplet).symlink_to(f"/usr/lib/{kind.triplet}")
    shutil.copy(unpacked / "usr/lib/android-sdk/platform-tools/adbd", root / "bin/adbd")
    shutil.copy(unpacked / "usr/bin/busybox", root / "bin/busybox")
    for applet in _APPLETS.split():
        (root / "bin" / applet).symlink_to("busybox")
    shutil.copyfile(_os_release(unpacked), root / "etc/os-release")
    _copy_modules(unpacked, root / "modules")
    init = root / "init"
    init.write_text(_INIT, encoding="utf-8")
    init.chmod(0o755)


def _copy_libraries(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for library in sorted(source.glob("*.so.*")):
        # The names that programs ask for, not those that they point to.
        if re.search(r"\.so\.\d+$", library.name):
            shutil.copy(library, target / library.name)
    for name in _ANDROID_LIBRARIES:
        shutil.copy(source / "android" / f"{name}.so.0", target / f"{name}.so.0")


def _copy_modules(unpacked: Path, target: Path) -> None:
    """The network driver and the modules it needs, each after those it needs."""
    order: list[str] = []

    def add(name: str) -> None:
        # A module that is not there as a file is built into the kernel.
        found = [
            path for path in unpacked.rglob("*.ko*") if path.name.split(".")[0].replace("-", "_") == name
        ]
        if not found or name in order:
            return
        content = found[0].read_bytes()
        if found[0].suffix == ".xz":
            content = lzma.decompress(content)
        if needs := re.search(rb"\0depends=([\w,-]+)\0", content):
            for needed in needs[1].decode().split(","):
                add(needed.replace("-", "_"))
        (target / f"{name}.ko").write_bytes(content)
        order.append(name)

    for name in ("virtio_pci", _MODULE):
        add(name)
    if _MODULE not in order:
        raise DeviceError(
            f"Debian's cloud kernel has no module {_MODULE} any more; adapt the recipe in devices/emulator/image.py"
        )
    (target / "order").write_text("".join(f"{name}.ko\n" for name in order), encoding="utf-8")


def _os_release(unpacked: Path) -> Path:
    text = f'PRETTY_NAME="Debian {RELEASE} ({EMULATED_MARK})"\nID=debian\n'
    path = unpacked / "os-release"
    path.write_text(text, encoding="utf-8")
    return path


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise DeviceError(f"the kernel package holds {len(found)} files {pattern}, where one was expected")
    return found[0]
