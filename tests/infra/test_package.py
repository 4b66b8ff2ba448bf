"""The zip: made as it is deployed, looked into, and run where this machine can run it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra import package
from infra.package import ARM64, Platform, foreign_binaries, interpreter, platform_named

ZIP_BYTES_MAX = 8_000_000
UNZIPPED_BYTES_MAX = 30_000_000


def run_inside(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program that sees the standard library and the zip, nothing else."""
    start = f"import sys; sys.path.append({str(folder)!r})\n"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", start + program],
        env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def elf(machine: int) -> bytes:
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + bytes(40)


def test_every_module_of_ours_can_be_imported_from_the_zip_alone(local_zip: Path) -> None:
    modules = [
        ".".join(path.relative_to(package.ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(package.SOURCES.rglob("*.py"))
    ]
    program = f"""
import importlib
for module in {modules!r}:
    origin = importlib.import_module(module).__file__
    assert origin.startswith({str(local_zip)!r}), origin
"""

    done = run_inside(local_zip, program)

    assert modules
    assert done.returncode == 0, done.stderr


def test_the_clients_the_functions_use_are_in_the_zip(local_zip: Path) -> None:
    program = f"""
import boto3
for name in {package.AWS_CLIENTS!r}:
    boto3.client(name).meta.service_model.operation_names
"""

    done = run_inside(local_zip, program)

    assert done.returncode == 0, done.stderr


def test_the_clients_kept_in_the_zip_are_those_that_the_functions_make() -> None:
    sources = [path.read_text() for path in package.SOURCES.rglob("*.py")]
    made = {name for each in sources for name in re.findall(r'boto3\.client\(\s*"([\w-]+)"', each)}

    assert made == set(package.AWS_CLIENTS)


def test_clients_nobody_uses_are_cut_from_the_zip(local_zip: Path) -> None:
    done = run_inside(local_zip, "import boto3; boto3.client('ec2')")

    assert "UnknownServiceError" in done.stderr


def test_the_sdk_of_the_zip_knows_licenses_and_decimals(local_zip: Path) -> None:
    program = """
import boto3, json
model = boto3.client("meteringmarketplace").meta.service_model
print(json.dumps(list(model.shape_for("UsageRecord").members)))
"""

    done = run_inside(local_zip, program)

    assert {"LicenseArn", "QuantityAsDecimal"} <= set(json.loads(done.stdout))


def test_the_zip_has_binaries_for_its_platform_and_no_others(arm64_zip: Path) -> None:
    binaries = list(arm64_zip.rglob("*.so"))

    assert binaries
    assert {path.read_bytes()[18:20] for path in binaries} == {(183).to_bytes(2, "little")}
    assert list(foreign_binaries(arm64_zip, ARM64)) == []


def test_the_local_zip_has_binaries_for_this_machine(local_zip: Path) -> None:
    assert list(foreign_binaries(local_zip, platform_named("local"))) == []


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("fast.so", elf(62), "fast.so has the machine type 62"),
        ("libfast.so.1", elf(62), "libfast.so.1 has the machine type 62"),
        ("fast.so", b"\xcf\xfa\xed\xfe" + bytes(40), "fast.so has the machine type None"),
        ("fast.pyd", b"MZ" + bytes(40), "fast.pyd has the machine type None"),
        ("fast.cpython-311-aarch64-linux-gnu.so", elf(183), "is for CPython 311"),
    ],
)
def test_a_foreign_binary_is_named(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    (tmp_path / name).write_bytes(content)

    (found,) = foreign_binaries(tmp_path, ARM64)

    assert complaint in found


@pytest.mark.parametrize(
    "name", ["fast.cpython-313-aarch64-linux-gnu.so", "fast.abi3.so", "libfast.so.1"]
)
def test_a_binary_for_the_functions_machine_and_python_is_welcome(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(elf(183))

    assert list(foreign_binaries(tmp_path, ARM64)) == []


def test_both_zips_hold_the_same_sources(arm64_zip: Path, local_zip: Path) -> None:
    ours = [
        {name: digest for name, digest in contents(folder / "lambdas").items() if "pyc" not in name}
        for folder in (arm64_zip, local_zip)
    ]

    assert ours[0]
    assert ours[0] == ours[1]


@pytest.mark.parametrize("platform", [ARM64, platform_named("local")], ids=lambda p: p.name)
def test_every_source_has_bytecode_where_its_python_is_at_hand(
    platform: Platform, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(f"{platform.name}_zip")
    tag = "cpython-" + platform.python.replace(".", "")
    sources = {path.with_suffix("") for path in folder.rglob("*.py")}
    compiled = {
        path.parent.parent / path.name.removesuffix(f".{tag}.pyc") for path in folder.rglob("*.pyc")
    }

    assert compiled == (sources if interpreter(platform.python) else set())


def test_bytecode_is_taken_without_a_look_at_the_file_times(local_zip: Path) -> None:
    flags = {path.read_bytes()[4:8] for path in local_zip.rglob("*.pyc")}

    hash_based_unchecked = (0b01).to_bytes(4, "little")
    assert flags == {hash_based_unchecked}


def test_a_zip_is_built_the_same_again(local_zip: Path, tmp_path: Path) -> None:
    package.build(platform_named("local"), tmp_path)

    assert contents(tmp_path) == contents(local_zip)


def test_a_private_umask_does_not_lock_lambda_out(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        package.build(platform_named("local"), tmp_path)
    finally:
        os.umask(before)

    assert {p.stat().st_mode & 0o777 for p in tmp_path.rglob("*") if p.is_file()} == {0o644}
    assert {p.stat().st_mode & 0o777 for p in tmp_path.rglob("*") if p.is_dir()} == {0o755}


def test_the_zip_stays_small(arm64_zip: Path, tmp_path: Path) -> None:
    zipped = Path(shutil.make_archive(str(tmp_path / "function"), "zip", arm64_zip))

    assert zipped.stat().st_size <= ZIP_BYTES_MAX
    assert sum(p.stat().st_size for p in arm64_zip.rglob("*") if p.is_file()) <= UNZIPPED_BYTES_MAX


def test_a_second_build_needs_no_network(arm64_zip: Path, tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from infra import package; "
        "package.build(package.ARM64, pathlib.Path(sys.argv[1]))"
    )
    nowhere = {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "empty")}

    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "zip")],
        cwd=package.ROOT,
        env=os.environ | nowhere,
        check=True,
    )

    assert contents(tmp_path / "zip") == contents(arm64_zip)


def test_without_network_and_cache_the_step_that_failed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "CACHE", tmp_path)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))

    with pytest.raises(package.PackageError, match="Installing the functions' requirements"):
        package.dependencies(ARM64)

    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
