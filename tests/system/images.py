"""Images for the tests, made from Debian packages and a seed: the same bytes on every run, kept in a cache directory.

Who comes in: the system tests (``busybox().archive("busybox:latest")`` gives a file for ``docker load``), the registry
fixture (which pushes the layers as blobs), and the benchmarks (``bench()``). The cache is ``$HAVRE_TEST_CACHE``, or
``/var/cache/havre-tests``; whatever is in there may be deleted at any time between runs.
"""

import fcntl
import gzip
import hashlib
import io
import json
import os
import platform
import random
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECIPES = "1"
"""Part of every cache key: change it together with a recipe below, so that nobody gets the old bytes."""

CREATED = "2024-01-01T00:00:00Z"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
app:x:1000:1000:an ordinary user:/home/app:/bin/sh
nobody:x:65534:65534:nobody:/home:/bin/false
"""
GROUP = """\
root:x:0:
daemon:x:1:
bin:x:2:
www-data:x:33:
app:x:1000:
extra:x:2000:app
nogroup:x:65534:
"""


@dataclass(frozen=True, slots=True)
class Blob:
    """A file and the descriptor a manifest gives for it."""

    path: Path
    digest: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as a plain tar file; ``diff_id`` is the digest of that tar."""

    tar: Path
    diff_id: str

    def blob(self, compression: str = "gzip", dialect: str = "oci") -> Blob:
        """The layer as a registry keeps it: ``compression`` is gzip, zstd or none, ``dialect`` oci or docker."""
        suffix = {"gzip": ".gz", "zstd": ".zst", "none": ""}[compression]
        path = self.tar.with_name(self.tar.name + suffix)
        if not path.exists():
            with _replacing(path) as temporary:
                _compress(self.tar, temporary, compression)
        base = OCI_LAYER if dialect == "oci" else DOCKER_LAYER
        ending = "" if compression == "none" else f"{'+' if dialect == 'oci' else '.'}{compression}"
        return Blob(path, file_digest(path), path.stat().st_size, base + ending)


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image on disk: its layers and its config; what a daemon will call its id follows from the config's bytes."""

    name: str
    layers: tuple[Layer, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The ``config`` object of the image: Env, Cmd, Entrypoint, User, Volumes…"""
    architecture: str = ARCHITECTURE
    variant: str = ""

    @property
    def config(self) -> bytes:
        """The image config as it is stored, byte for byte."""
        document: dict[str, Any] = {
            "architecture": self.architecture,
            "config": dict(self.settings),
            "created": CREATED,
            "history": [{"created": CREATED, "created_by": f"made for the tests: {self.name}"} for _ in self.layers],
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in self.layers]},
        }
        if self.variant:
            document["variant"] = self.variant
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    @property
    def id(self) -> str:
        """The digest of the config: ``sha256:…``."""
        return digest(self.config)

    def archive(self, *tags: str) -> Path:
        """A docker-archive tar (what ``docker save`` wrote for ten years) holding this image under ``tags``."""
        key = hashlib.sha256("\n".join((self.id, *tags)).encode()).hexdigest()[:16]
        path = cache() / f"{self.name}-{key}.tar"
        if not path.exists():
            with _replacing(path) as temporary:
                write_archive(temporary, {self: tags})
        return path

    def derive(
        self,
        name: str,
        settings: Mapping[str, Any] | None = None,
        files: Iterable["Entry"] = (),
        architecture: str | None = None,
        variant: str = "",
    ) -> "BuiltImage":
        """This image with other ``settings`` laid over its own and, if there are ``files``, one more layer."""
        entries = tuple(files)
        layers = self.layers
        if entries:
            key = hashlib.sha256(repr(entries).encode()).hexdigest()[:16]
            layers += (layer_of(f"{name}-{key}", lambda tar: _add_all(tar, entries)),)
        merged = {**self.settings, **(settings or {})}
        return BuiltImage(name, layers, merged, architecture or self.architecture, variant)

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of a layer. With ``link`` a symbolic link; a path that ends with ``/`` is a directory."""

    path: str
    data: bytes | Path = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    link: str = ""


def cache() -> Path:
    """The cache directory of this recipe version, created if need be."""
    path = Path(os.environ.get("HAVRE_TEST_CACHE", "/var/cache/havre-tests")) / RECIPES
    path.mkdir(parents=True, exist_ok=True)
    return path


def digest(data: bytes) -> str:
    """``sha256:<hex>`` of ``data``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def file_digest(path: Path) -> str:
    """``sha256:<hex>`` of a file's content."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def busybox() -> BuiltImage:
    """About 2 MB: the static busybox with every applet linked, /etc/passwd, /etc/group, and the usual directories."""
    return BuiltImage("busybox", (layer_of("busybox", _busybox),), {"Cmd": ["sh"], "Env": [PATH]})


def nginx() -> BuiltImage:
    """busybox and Debian's nginx with the libraries it loads; logs requests to stdout and serves ``/var/www/html``."""
    settings = {
        "Cmd": ["nginx", "-g", "daemon off;"],
        "Env": [PATH],
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGQUIT",
    }
    return BuiltImage("nginx", (layer_of("busybox", _busybox), layer_of("nginx", _nginx)), settings)


def bench() -> BuiltImage:
    """217 MB in four layers: busybox, 12,000 small files, 100 MB that do not compress, and English-like text."""
    big = {"bench-small": _small_files, "bench-random": _random_files, "bench-text": _text_files}
    layers = tuple(layer_of(name, recipe) for name, recipe in {"busybox": _busybox, **big}.items())
    return BuiltImage("bench", layers, {"Cmd": ["sh"], "Env": [PATH]})


def write_archive(path: Path, images: Mapping[BuiltImage, Iterable[str]]) -> None:
    """Write a docker-archive of several images, each under its tags; layers they share are in it once."""
    manifest = []
    written: set[str] = set()
    with tarfile.open(path, "w") as tar:
        for image, tags in images.items():
            names = [f"{layer.diff_id.removeprefix('sha256:')}/layer.tar" for layer in image.layers]
            for layer, name in zip(image.layers, names, strict=True):
                if name not in written:
                    _add(tar, Entry(name, layer.tar))
                    written.add(name)
            config = f"{image.id.removeprefix('sha256:')}.json"
            if config not in written:
                _add(tar, Entry(config, image.config))
                written.add(config)
            manifest.append({"Config": config, "RepoTags": list(tags), "Layers": names})
        _add(tar, Entry("manifest.json", json.dumps(manifest).encode()))


# The recipes: each writes one layer.


def _busybox(tar: tarfile.TarFile) -> None:
    binary = Path("/bin/busybox")
    listing = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", "busybox-static"], capture_output=True, text=True)
    if "install ok installed" not in listing.stdout:
        binary = _extract(["busybox-static"]) / "bin/busybox"
    applets = subprocess.run([binary, "--list-full"], check=True, capture_output=True, text=True).stdout.split()
    directories = (
        "bin",
        "dev",
        "etc",
        "home",
        "home/app",
        "proc",
        "root",
        "run",
        "sbin",
        "sys",
        "tmp",
        "usr",
        "usr/bin",
    )
    for name in (*directories, "usr/sbin", "var", "var/tmp", "var/www"):
        mode = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}.get(name, 0o755)
        owner = 1000 if name == "home/app" else 0
        _add(tar, Entry(f"{name}/", mode=mode, uid=owner, gid=owner))
    _add(tar, Entry("bin/busybox", binary, mode=0o755))
    for applet in sorted(set(applets) - {"bin/busybox"}):
        if applet.rpartition("/")[0] in ("bin", "sbin", "usr/bin", "usr/sbin"):
            _add(tar, Entry(applet, link="/bin/busybox"))
    _add(tar, Entry("etc/passwd", PASSWD.encode()))
    _add(tar, Entry("etc/group", GROUP.encode()))
    _add(tar, Entry("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n"))


NGINX_CONF = b"""\
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 256; }
http {
    include /etc/nginx/mime.types;
    access_log /dev/stdout;
    server {
        listen 80;
        root /var/www/html;
    }
}
"""


def _nginx(tar: tarfile.TarFile) -> None:
    root = _extract(["nginx-light", "nginx", "nginx-common", "libc6", "libcrypt1", "libpcre2-8-0", "libssl3", "zlib1g"])
    wanted = [root / "etc/nginx/mime.types", root / "usr/sbin/nginx"]
    for directory in ("lib", "lib64", "usr/lib"):
        for path in sorted((root / directory).rglob("*")):
            if ".so" in path.name and not {"gconv", "audit"} & set(path.parts):
                wanted.append(path)
    seen: set[str] = {"usr", "usr/sbin", "etc"}
    for path in sorted(wanted):
        name = path.relative_to(root).as_posix()
        for parent in reversed(Path(name).parents):
            if parent.as_posix() not in seen | {"."}:
                seen.add(parent.as_posix())
                _add(tar, Entry(f"{parent}/", mode=0o755))
        if path.is_symlink():
            _add(tar, Entry(name, link=os.readlink(path)))
        elif path.is_file():
            _add(tar, Entry(name, path, mode=path.stat().st_mode & 0o7777))
    _add(tar, Entry("etc/nginx/nginx.conf", NGINX_CONF))
    for name in ("var/www/html", "var/lib", "var/lib/nginx", "var/log", "var/log/nginx"):
        _add(tar, Entry(f"{name}/", mode=0o755))
    _add(tar, Entry("var/www/html/index.html", b"<h1>Welcome to nginx!</h1>\n"))


def _small_files(tar: tarfile.TarFile) -> None:
    source = random.Random(1)
    for directory in range(120):
        _add(tar, Entry(f"srv/small/{directory:03}/", mode=0o755))
        for number in range(100):
            data = source.randbytes(source.randrange(100, 1300)).hex().encode()
            _add(tar, Entry(f"srv/small/{directory:03}/{number:03}.txt", data))


def _random_files(tar: tarfile.TarFile) -> None:
    source = random.Random(2)
    for number in range(10):
        _add(tar, Entry(f"srv/random/{number}.bin", source.randbytes(10_000_000)))


def _text_files(tar: tarfile.TarFile) -> None:
    source = random.Random(3)
    letters = "etaoinshrdlucmfwypvbgkqjxz"
    weights = range(len(letters), 0, -1)
    words = ["".join(source.choices(letters, weights, k=source.randrange(2, 10))) for _ in range(4000)]
    lines = [" ".join(source.choices(words, k=12)) + "\n" for _ in range(20000)]
    for number in range(16):
        text = "".join(source.choices(lines, k=72000))
        _add(tar, Entry(f"srv/text/{number}.txt", text.encode()))


# Making and keeping files.


def layer_of(name: str, recipe: Callable[[tarfile.TarFile], None]) -> Layer:
    """The layer that ``recipe`` writes, made once and kept by its name."""
    path = cache() / f"layer-{name}.tar"
    note = path.with_suffix(".diffid")
    if not note.exists():
        with _replacing(path) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
            recipe(tar)
        with _replacing(note) as temporary:
            temporary.write_text(file_digest(path))
    return Layer(path, note.read_text())


def _add_all(tar: tarfile.TarFile, entries: Iterable[Entry]) -> None:
    for entry in entries:
        _add(tar, entry)


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.path.rstrip("/"))
    info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, 1704067200
    if entry.link:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
        tar.addfile(info)
    elif entry.path.endswith("/"):
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
    elif isinstance(entry.data, Path):
        info.size = entry.data.stat().st_size
        with entry.data.open("rb") as file:
            tar.addfile(info, file)
    else:
        info.size = len(entry.data)
        tar.addfile(info, io.BytesIO(entry.data))


def _compress(source: Path, target: Path, compression: str) -> None:
    if compression == "zstd":
        subprocess.run(["zstd", "-q", "-f", "-3", "--single-thread", source, "-o", target], check=True)
        return
    with source.open("rb") as reader, target.open("wb") as raw:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)


def _extract(packages: list[str]) -> Path:
    """Download Debian packages with apt and unpack them side by side into one directory of the cache."""
    root = cache() / f"packages-{packages[0]}"
    if root.exists():
        return root
    with _replacing(root) as temporary:
        temporary.mkdir()
        with tempfile.TemporaryDirectory() as downloads:
            fetch = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *packages]
            if subprocess.run(fetch, cwd=downloads, capture_output=True).returncode != 0:
                subprocess.run(["apt-get", "-q", "update"], check=True, capture_output=True)
                subprocess.run(fetch, cwd=downloads, check=True, capture_output=True)
            for package in sorted(Path(downloads).glob("*.deb")):
                subprocess.run(["dpkg-deb", "-x", package, temporary], check=True)
    return root


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path that becomes ``path`` at the end; of several processes, one works and the others wait."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield temporary
            if not path.exists():
                temporary.rename(path)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink(missing_ok=True)
