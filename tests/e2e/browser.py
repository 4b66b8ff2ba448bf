"""A real browser, driven through Playwright: Debian's Chromium, or another one that is there.

    python -m tests.e2e.browser

says where it is, or how to get it.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

VARIABLE = "CHROMIUM"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
ABSENT = (
    f"There is no browser: none of {', '.join(PROGRAMS)} is on PATH, and {VARIABLE} names none. "
    "`make chromium` installs Debian's where apt-get may; elsewhere install Chromium or Chrome, "
    f"or set {VARIABLE} to the program."
)


class NoBrowserError(Exception):
    """This machine has no browser that tests can drive; the message says how to get one."""


def chromium(environment: Mapping[str, str]) -> Path:
    """Find the browser's program.

    Raises:
        NoBrowserError: There is none.
    """
    wanted = environment.get(VARIABLE)
    names = (wanted,) if wanted else PROGRAMS
    found = filter(None, (shutil.which(name, path=environment.get("PATH")) for name in names))
    program = next(found, None)
    if program is None:
        problem = f"{VARIABLE} = {wanted!r} is no program that can be run. " if wanted else ""
        raise NoBrowserError(problem + ABSENT)
    return Path(program)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Run the browser while the block runs.

    Raises:
        NoBrowserError: There is none.
    """
    program = chromium(os.environ)
    # As root it does not start in a sandbox of its own.
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *as_root])
        yield browser
        browser.close()


def main() -> int:
    """Say where the browser is; exit with 0 only if it is anywhere."""
    try:
        sys.stdout.write(f"{chromium(os.environ)}\n")
    except NoBrowserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
