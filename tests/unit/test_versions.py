"""What is stored says its version, and a reader refuses what it does not know."""

import pytest

from lambdas.versions import UnknownVersionError, check_version, versioned


def test_a_version_is_stored_as_a_number() -> None:
    assert versioned(3) == {"v": {"N": "3"}}


@pytest.mark.parametrize("stored", [{}, versioned(1), versioned(2)], ids=str)
def test_what_an_older_release_or_this_one_wrote_is_read(stored: dict[str, dict[str, str]]) -> None:
    check_version(stored, 2, "item")


def test_what_was_stored_without_a_version_has_the_first() -> None:
    check_version({}, 1, "item")


@pytest.mark.parametrize("version", [0, 3])
def test_what_no_release_up_to_this_one_wrote_is_refused_with_its_place(version: int) -> None:
    with pytest.raises(UnknownVersionError) as error:
        check_version(versioned(version), 2, "log", "entry 7")

    assert str(error.value) == (
        f"log / entry 7 has version {version}, and this release knows version 2 at most: a newer"
        " release has written it, so deploy that one again"
    )
