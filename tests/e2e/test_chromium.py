"""The browser is found, or it is said how to get one."""

from pathlib import Path

import pytest

from tests.e2e.browser import NoBrowserError, chromium


def program(folder: Path, name: str) -> Path:
    file = folder / name
    file.write_text("#!/bin/sh\n", encoding="utf-8")
    file.chmod(0o755)
    return file


def test_a_browser_on_the_path_is_taken(tmp_path: Path) -> None:
    chrome = program(tmp_path, "google-chrome")

    assert chromium({"PATH": str(tmp_path)}) == chrome


def test_the_one_that_is_asked_for_is_taken_first(tmp_path: Path) -> None:
    program(tmp_path, "chromium")
    other = program(tmp_path, "brave")

    assert chromium({"PATH": str(tmp_path), "CHROMIUM": str(other)}) == other


def test_where_there_is_none_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(NoBrowserError, match="`make chromium` installs"):
        chromium({"PATH": str(tmp_path)})


def test_one_that_is_asked_for_and_not_there_is_named(tmp_path: Path) -> None:
    program(tmp_path, "chromium")

    with pytest.raises(NoBrowserError, match="CHROMIUM = '/no/such' is no program"):
        chromium({"PATH": str(tmp_path), "CHROMIUM": "/no/such"})
