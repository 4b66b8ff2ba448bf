"""The zip that runs in Lambda: `lambdas/` and its locked requirements, made by uv without Docker.

The requirements are installed, cut and checked once per lock file and platform, into `.build/`;
after that nothing here needs a network. `python -m infra.package` does it ahead of time.
"""

import hashlib
import os
import platform as host
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "lambdas"
CACHE = ROOT / ".build"

# The services whose boto3 clients the functions make. The definitions of the other 400 are 90 % of
# botocore; without them `boto3.client` says UnknownServiceError.
AWS_CLIENTS = (
    *("dynamodb", "events", "sesv2", "sqs"),
    *("marketplace-agreement", "marketplace-entitlement", "meteringmarketplace"),
)
# uv's lock, command-line tools, and what only boto3's resources and documentation read.
UNUSED = (".lock", "bin", "boto3/data", "boto3/examples", "botocore/data/*/*/examples-1.json*")
NOT_SOURCE = ("__pycache__", "*.pyc")

# Where Lambda unpacks a function; tracebacks of compiled code name files by it.
LAMBDA_TASK_ROOT = "/var/task"

# The field e_machine of an ELF header, by Lambda's name of the architecture.
ELF_MACHINES = {"arm64": 183, "x86_64": 62}
ELF_MACHINE_OFFSET_BYTES = 18


class PackageError(RuntimeError):
    """The zip cannot be built; the message says which step failed, and why."""


@dataclass(frozen=True, slots=True)
class Platform:
    """A kind of machine that functions run on.

    `python` is a minor version, `architecture` is Lambda's name for it, and `wheels` is uv's name
    of the platform to fetch binaries for (`None`: whatever runs here).
    """

    name: str
    python: str
    architecture: str
    wheels: str | None

    @property
    def runtime(self) -> str:
        """Lambda's name of the runtime."""
        return f"python{self.python}"


# What is deployed. manylinux2014 is the oldest standard with arm64, so it fits every runtime.
ARM64 = Platform("arm64", "3.13", "arm64", "aarch64-manylinux2014")
PLATFORM_NAMES = (ARM64.name, "local")


def platform_named(name: str) -> Platform:
    """Tell what a value of the setting `function_platform` stands for."""
    if name == ARM64.name:
        return ARM64
    if name not in PLATFORM_NAMES:
        raise PackageError(f"Platform {name!r} is none of {', '.join(PLATFORM_NAMES)}")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    machine = host.machine().lower()
    architecture = "arm64" if machine in {"arm64", "aarch64"} else "x86_64"
    return Platform("local", version, architecture, wheels=None)


def build(platform: Platform, folder: Path) -> None:
    """Fill a folder with what the zip for that platform contains."""
    shutil.copytree(dependencies(platform), folder, dirs_exist_ok=True)
    unwanted = shutil.ignore_patterns(*NOT_SOURCE)
    shutil.copytree(SOURCES, folder / SOURCES.name, ignore=unwanted)
    if python := interpreter(platform.python):
        _compile(folder, python)
    _make_readable(folder)


def recipe(platform: Platform) -> list[str]:
    """Name everything beside our own sources that decides what `build` makes.

    Bytecode counts: machines with and without the function's Python make different zips, and under
    one name whichever came first would stay deployed.
    """
    bytecode = "compiled" if interpreter(platform.python) else "sources only"
    return [_cached(platform).name, bytecode]


def dependencies(platform: Platform) -> Path:
    """Install the functions' requirements for that platform, unless it has been done before."""
    ready = _cached(platform)
    if ready.is_dir():
        return ready
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="unfinished-") as scratch:
        fresh = Path(scratch) / "requirements"
        _install(platform, fresh)
        _cut(fresh)
        if foreign := list(foreign_binaries(fresh, platform)):
            raise PackageError(f"The zip would not run on {platform.name}: {'; '.join(foreign)}")
        try:
            fresh.rename(ready)
        except OSError:
            # Somebody else has finished the same work in the meantime.
            if not ready.is_dir():
                raise
    return ready


def _cached(platform: Platform) -> Path:
    parts = (_requirements(), repr(platform), Path(__file__).read_text("utf-8"))
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return CACHE / f"{platform.name}-{digest[:16]}"


def interpreter(version: str) -> str | None:
    """Find a Python of that minor version that really starts: bytecode is made by its own kind."""
    if version == platform_named("local").python:
        return sys.executable
    for found in (
        shutil.which(f"python{version}"),
        _ask([uv.find_uv_bin(), "python", "find", "--no-project", version]),
    ):
        # A shim of pyenv on PATH starts only where the version is chosen.
        tell = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
        answer = _ask([found, "-I", "-c", tell], PYENV_VERSION=version) if found else ""
        runs, _, executable = answer.partition(" ")
        if runs == version:
            return executable
    return None


def foreign_binaries(folder: Path, platform: Platform) -> Iterator[str]:
    """Name each binary that another processor, system or Python would be needed for."""
    linux = platform.wheels is not None or sys.platform == "linux"
    tag = platform.python.replace(".", "")
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            head = file.read(ELF_MACHINE_OFFSET_BYTES + 2)
        is_elf = head.startswith(b"\x7fELF")
        if not is_elf and path.suffix not in {".so", ".pyd", ".dylib"}:
            continue
        name = path.relative_to(folder)
        machine = int.from_bytes(head[ELF_MACHINE_OFFSET_BYTES:], "little") if is_elf else None
        if linux and machine != ELF_MACHINES[platform.architecture]:
            yield f"{name} has the machine type {machine}"
        built_for = re.search(r"\.cpython-(\d+)", path.name)
        if built_for and built_for[1] != tag:
            yield f"{name} is for CPython {built_for[1]}"


def _requirements() -> str:
    return _run(
        "Reading uv.lock",
        [
            *(uv.find_uv_bin(), "export", "--quiet", "--frozen", "--offline"),
            *("--only-group", "functions", "--no-emit-project", "--no-header", "--no-annotate"),
        ],
    )


def _install(platform: Platform, folder: Path) -> None:
    requirements = folder.with_suffix(".txt")
    requirements.write_text(_requirements(), "utf-8")
    _run(
        f"Installing the functions' requirements for {platform.name}",
        [
            *(uv.find_uv_bin(), "pip", "install", "--quiet", "--color", "never"),
            *("--target", str(folder)),
            *("--python", sys.executable, "--python-version", platform.python),
            *(("--python-platform", platform.wheels) if platform.wheels else ()),
            # Wheels only, so that nothing is compiled for this machine; hashed, as locked.
            *("--only-binary", ":all:", "--require-hashes", "--no-deps"),
            *("--no-compile-bytecode", "--link-mode", "copy"),
            *("--requirements", str(requirements)),
        ],
    )


def _cut(folder: Path) -> None:
    for service in (folder / "botocore" / "data").iterdir():
        # Files beside the services' folders (endpoints, partitions, retries) are shared by all.
        if service.is_dir() and service.name not in AWS_CLIENTS:
            shutil.rmtree(service)
    for pattern in UNUSED:
        for path in list(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _compile(folder: Path, python: str) -> None:
    """Add bytecode, which halves a cold start.

    It is never checked against its source: a zip does not change, but unpacking renews file times.
    """
    _run(
        "Compiling",
        [
            *(python, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
            *("-s", str(folder), "-p", LAMBDA_TASK_ROOT, str(folder)),
        ],
    )


def _make_readable(folder: Path) -> None:
    """Let every user read the files: Lambda runs as another one, whatever this one's umask."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _run(step: str, command: Sequence[str], **environment: str) -> str:
    # VIRTUAL_ENV may name another environment than the one that runs this; uv would warn.
    inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(  # noqa: S603 - our own commands, no shell, nothing from outside.
        command,
        cwd=ROOT,
        env=inherited | {"UV_PYTHON_DOWNLOADS": "never"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PackageError(f"{step} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _ask(command: Sequence[str], **environment: str) -> str:
    """Return what a command prints, or nothing where it fails or does not exist."""
    try:
        return _run("Asking", command, **environment).strip()
    except (PackageError, OSError):
        return ""


def main(names: Sequence[str]) -> None:
    """Prepare the requirements of the named platforms, by default of all, for work offline."""
    for name in names or PLATFORM_NAMES:
        folder = dependencies(platform_named(name))
        print(f"{name}: {folder.relative_to(ROOT)}")  # noqa: T201 - a command's answer.


if __name__ == "__main__":
    main(sys.argv[1:])
