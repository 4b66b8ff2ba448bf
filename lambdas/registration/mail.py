"""The confirmation e-mail. Pure.

It says nothing that the buyer typed: whoever has a subscription could otherwise have us send
messages of their own to anybody.
"""

from dataclasses import dataclass

from markupsafe import Markup

from lambdas.registration.seller import Seller
from lambdas.registration.texts import ENGLISH, Texts, capitalized

_DOCUMENT = Markup(
    "<!doctype html>\n"
    '<html lang="{language}">\n'
    '<head><meta charset="utf-8"><title>{title}</title></head>\n'
    '<body style="margin:0;padding:24px;font-family:Arial,Helvetica,sans-serif;font-size:16px;'
    'line-height:1.5;color:#16191f;background:#ffffff">\n{body}</body>\n</html>\n'
)


@dataclass(frozen=True, slots=True)
class Mail:
    """A message in both forms that mail programs read."""

    subject: str
    text: str
    html: str


def confirmation(seller: Seller, texts: Texts = ENGLISH) -> Mail:
    """Write what a buyer who has signed up is sent: that it worked, and what happens next."""
    name = seller.name or texts.the_seller
    subject = " ".join(texts.mail_subject.format(seller=name).split())
    paragraphs = [texts.mail_greeting, texts.mail.format(seller=name)]
    steps = seller.next_steps.splitlines() or [capitalized(texts.done_close.format(seller=name))]
    links = [
        (text, url)
        for text, url in (
            (texts.sign_in, seller.sign_in_url),
            (texts.help_by_url, seller.support_url),
        )
        if url
    ]
    text = "\n\n".join(
        [
            *paragraphs,
            f"{texts.mail_next}:",
            *(step for step in steps if step.strip()),
            *(f"{name}: {url}" for name, url in links),
            texts.mail_not_you,
        ]
    )
    html = Markup("").join(
        [
            *(_paragraph(each) for each in paragraphs),
            Markup('<h1 style="font-size:18px">{}</h1>\n').format(texts.mail_next),
            *(_paragraph(step) for step in steps if step.strip()),
            *(Markup('<p><a href="{}">{}</a></p>\n').format(url, name) for name, url in links),
            _paragraph(texts.mail_not_you),
        ]
    )
    document = _DOCUMENT.format(language=texts.language, title=subject, body=html)
    return Mail(subject, text + "\n", str(document))


def _paragraph(text: str) -> Markup:
    return Markup("<p>{}</p>\n").format(text)
