"""The page that API Gateway shows a buyer when the function behind it did not answer.

It is a constant of the API: no template engine sees it, and nothing of a request is in it.
"""

import html as markup

from infra.settings import Settings

# Static values stand in single quotes, so no value may hold one; `sandbox` is a policy without:
# no script, no form, nothing but the text.
HEADERS = {
    "Content-Type": "'text/html; charset=utf-8'",
    "Cache-Control": "'no-store'",
    "Retry-After": "'60'",
    "Content-Security-Policy": "'sandbox'",
    "Referrer-Policy": "'no-referrer'",
    "Strict-Transport-Security": "'max-age=31536000'",
    "X-Content-Type-Options": "'nosniff'",
    "X-Frame-Options": "'DENY'",
}

TITLE = "Please try again in a minute"
SORRY = "We could not answer just now. Nothing is lost, and your purchase is not affected."
GO_BACK = (
    "Wait a minute, then go back to AWS Marketplace, find your subscription, and choose "
    "“Set up your account” again."
)
HELP = "If this page comes again, please contact"
OUR_SUPPORT = "our support"


def html(settings: Settings) -> str:
    """Write the page in the seller's name."""
    name = _text(settings.seller_name)
    contacts = []
    if settings.support_email:
        address = _text(settings.support_email)
        contacts.append(f'<a href="mailto:{address}">{address}</a>')
    if settings.support_url:
        contacts.append(f'<a href="{_text(settings.support_url)}">{OUR_SUPPORT}</a>')
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{TITLE}{f' · {name}' if name else ''}</title>",
        "<main>",
        *([f"<p>{name}</p>"] if name else []),
        f"<h1>{TITLE}</h1>",
        f"<p>{SORRY}</p>",
        f"<p>{GO_BACK}</p>",
        *([f"<p>{HELP} {' · '.join(contacts)}.</p>"] if contacts else []),
        "</main>",
        "</html>",
    ]
    return "\n".join(lines)


def _text(given: str) -> str:
    # API Gateway would put something of the request where a template says `$context…`.
    return markup.escape(given).replace("$", "&#36;")
