"""docs/performance.md: its tables stand between marks, and are replaced there."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bench.prices import PRICED_ON
from bench.table import Table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def write(tables: Iterable[Table], page: Path = PAGE) -> list[str]:
    """Put tables where the page has marks for them; the names of those it has none for."""
    text, homeless = page.read_text("utf-8"), []
    for each in tables:
        text, found = replaced(text, each.name, each.markdown())
        if not found:
            homeless.append(each.name)
    text, _ = replaced(text, "machine", machine())
    page.write_text(text, "utf-8")
    return homeless


def replaced(text: str, name: str, content: str) -> tuple[str, bool]:
    """Replace what stands between the marks of a name, and tell whether there are any."""
    marked = re.compile(rf"(<!-- bench: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    changed, number = marked.subn(lambda found: f"{found[1]}\n{content}\n\n{found[2]}", text)
    return changed, bool(number)


def machine() -> str:
    """Say where and when the numbers were taken."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    cores = os.cpu_count()
    return (
        f"Last run: {PRICED_ON}, commit {commit or 'unknown'}, Python"
        f" {platform.python_version()}, {cores} cores, {platform.system()} {platform.machine()}."
    )
