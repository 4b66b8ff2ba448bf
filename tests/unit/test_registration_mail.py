"""The confirmation e-mail: its two forms, and what it must not say."""

from dataclasses import replace

import pytest

from lambdas.registration.mail import confirmation
from lambdas.registration.seller import Seller
from tests.registration_stage import SELLER, Outline


@pytest.mark.parametrize("seller", [SELLER, Seller()], ids=["full", "bare"])
def test_the_e_mail_says_the_same_in_both_forms(seller: Seller) -> None:
    mail = confirmation(seller)
    html = Outline(mail.html)

    assert html.open == []
    spoken = " ".join("".join(html.texts).split())
    for line in filter(None, mail.text.splitlines()):
        assert line.partition(": http")[0].rstrip(":") in spoken


def test_the_e_mail_names_seller_next_steps_and_sign_in() -> None:
    mail = confirmation(SELLER)

    assert mail.subject == "Your registration with Example & Daughters"
    assert "We will send you an invitation." in mail.text
    assert SELLER.sign_in_url in mail.text
    assert SELLER.sign_in_url in {each["href"] for each in Outline(mail.html).named("a")}


def test_the_subject_of_an_e_mail_is_one_line() -> None:
    assert len(confirmation(replace(SELLER, name="Two\nlines")).subject.splitlines()) == 1
