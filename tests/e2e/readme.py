"""The README's code, cut out of it, so that what runs in tests is what readers copy."""

import re

from sandbox.deploy import ROOT


def block_after(heading: str, language: str) -> str:
    """Cut the first code block of a language out of a section of the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split(f"## {heading}\n", 1)[1]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found is not None, f"No {language} under {heading!r}"
    return found[1]
