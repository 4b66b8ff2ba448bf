"""What pages and e-mails say about the seller. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

BRAND_COLOR = "#0b5cad"
"""Of buttons and links where the seller has set none; 6.6 to 1 against white."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """The seller as buyers see it; whatever is empty is left out.

    Attributes:
        name: as it stands in sentences; empty for "the seller".
        logo_url: shown on top of every page instead of the name.
        brand_color: ``#rrggbb``, dark enough for white text on it.
        support_email: whom a buyer can ask.
        support_url: where a buyer can ask.
        sign_in_url: for those who have an account already.
        terms_url: the terms of use.
        privacy_url: the privacy notice.
        next_steps: what happens after the sign-up, in plain text; a paragraph a line.
    """

    name: str = ""
    logo_url: str = ""
    brand_color: str = ""
    support_email: str = ""
    support_url: str = ""
    sign_in_url: str = ""
    terms_url: str = ""
    privacy_url: str = ""
    next_steps: str = ""

    @property
    def color(self) -> str:
        """The colour of buttons and links."""
        return self.brand_color or BRAND_COLOR

    @property
    def logo_origin(self) -> str:
        """Where the logo comes from; empty without one.

        >>> Seller(logo_url="https://cdn.example.com/logo.svg?v=2").logo_origin
        'https://cdn.example.com'
        """
        if not self.logo_url:
            return ""
        parts = urlsplit(self.logo_url)
        return f"{parts.scheme}://{parts.netloc}"
