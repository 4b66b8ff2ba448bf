"""docs/performance.md: its tables stand between marks, and are replaced there."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from bench.table import Table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"


def write(tables: Iterable[Table], ran: str, page: Path = PAGE) -> list[str]:
    """Put tables where the page has marks for them; the names of those it has none for.

    What it says of the machine and the day is that of the newest tables.
    """
    text, homeless = page.read_text("utf-8"), []
    for each in tables:
        text, found = replaced(text, each.name, each.markdown())
        if not found:
            homeless.append(each.name)
    text, _ = replaced(text, "machine", ran)
    page.write_text(text, "utf-8")
    return homeless


def replaced(text: str, name: str, content: str) -> tuple[str, bool]:
    """Replace what stands between the marks of a name, and tell whether there are any."""
    marked = re.compile(rf"(<!-- bench: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    changed, number = marked.subn(lambda found: f"{found[1]}\n{content}\n\n{found[2]}", text)
    return changed, bool(number)


def machine(today: date, root: Path = ROOT) -> str:
    """Say where and when the numbers were taken, and of which commit."""
    return (
        f"Last run: {today}, {_commit(root)}, Python {platform.python_version()},"
        f" {os.cpu_count()} cores, {platform.system()} {platform.machine()}."
    )


def _commit(root: Path) -> str:
    """Name the commit; changes of docs change no number."""
    commit = _git(root, "rev-parse", "--short", "HEAD")
    if not commit:
        return "no commit"
    changed = _git(root, "status", "--porcelain", "--", ".", ":!docs")
    return f"commit {commit}{' with changes' if changed else ''}"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
