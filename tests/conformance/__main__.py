"""Run the suite against what the environment names: ``python -m tests.conformance``.

Under plain pytest, tests/conftest.py removes every AWS setting first, so that no test can reach an
account by accident; here it is left aside on purpose. Arguments are pytest's.
"""

import os
import sys
from pathlib import Path

import pytest

from tests.conformance.against import Against, against

FOLDER = Path(__file__).parent


def main() -> int:
    """Run, and exit as pytest does."""
    try:
        chosen = against()
    except ValueError as error:
        sys.exit(str(error))
    if chosen is not Against.AWS:
        # It is for TLS, and botocore fails on a plain endpoint if it names no file.
        os.environ.pop("AWS_CA_BUNDLE", None)
    where = [f"--confcutdir={FOLDER}", f"--rootdir={FOLDER.parents[1]}"]
    return int(pytest.main([*where, str(FOLDER), *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
