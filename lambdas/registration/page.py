"""The pages a buyer sees: HTML rendered here, without any script. Pure.

`Markup.format` escapes whatever it fills in, so escaping is what happens unless somebody writes
`Markup` around it; nothing that came from outside ever is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from lambdas.registration.contact import CHARACTERS_MAX, Entry, Problem, Problems, shown
from lambdas.registration.seller import Seller
from lambdas.registration.style import source_of, style
from lambdas.registration.texts import ENGLISH, Texts, capitalized

CODE_FIELD = "registration"
"""The name of the one-time code in URLs and forms."""

MARKETPLACE_URL = "https://console.aws.amazon.com/marketplace/"
RETRY_AFTER_S = 60

_AUTOCOMPLETE: Mapping[Entry, str] = {
    Entry.EMAIL: "email",
    Entry.NAME: "name",
    Entry.COMPANY: "organization",
}

_DOCUMENT = Markup(
    "<!doctype html>\n"
    '<html lang="{language}">\n'
    "<head>\n"
    '<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    '<meta name="robots" content="noindex">\n'
    "<title>{title}</title>\n"
    "<style>{style}</style>\n"
    "</head>\n"
    "<body>\n"
    "{header}"
    "<main>\n<h1>{heading}</h1>\n{main}</main>\n"
    "{footer}"
    "</body>\n</html>\n"
)


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and the status and the headers it is answered with."""

    status: int
    html: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pages:
    """All pages of one seller in one language."""

    seller: Seller
    texts: Texts = ENGLISH

    def start(self) -> Page:
        """Tell who came by a bookmark, or from a listing check, where to begin."""
        texts = self.texts
        return self._page(200, texts.start_title, _paragraph(texts.start) + self._steps())

    def no_token(self) -> Page:
        """Tell who came without a registration token where to begin."""
        return self._start_again(400, self.texts.came_without_title, self.texts.came_without)

    def token_refused(self) -> Page:
        """Tell whose token AWS Marketplace does not take to fetch a new one."""
        return self._start_again(400, self.texts.refused_title, self.texts.refused)

    def expired(self) -> Page:
        """Tell whose one-time code is not good (any more) to fetch a new one."""
        return self._start_again(400, self.texts.expired_title, self.texts.expired)

    def not_found(self) -> Page:
        """Answer for a page that this deployment does not have."""
        return self._start_again(404, self.texts.not_found_title, self.texts.not_found)

    def unavailable_at_registration(self) -> Page:
        """Ask for patience, and to press the button at AWS Marketplace again."""
        return self._unavailable(self.texts.unavailable_at_registration)

    def unavailable_at_signup(self) -> Page:
        """Ask for patience, and to send the form again."""
        return self._unavailable(self.texts.unavailable_at_signup)

    def form(
        self, code: str, typed: Mapping[Entry, str] | None = None, problems: Problems | None = None
    ) -> Page:
        """Ask for the contact; with problems, tell them and show again what was typed."""
        typed, problems, texts = typed or {}, problems or {}, self.texts
        fields = Markup("").join(
            self._field(entry, shown(typed.get(entry, "")), problems.get(entry)) for entry in Entry
        )
        # The address is relative, so that it holds under any stage and any domain. The browser's
        # own checks are off: ours tell all problems at once, in words a screen reader finds.
        form = Markup(
            '<form method="post" action="signup" accept-charset="utf-8" novalidate>\n'
            '<input type="hidden" name="{name}" value="{code}">\n'
            "{fields}"
            '<button type="submit">{submit}</button>\n'
            "</form>\n"
        ).format(name=CODE_FIELD, code=code, fields=fields, submit=texts.submit)
        main = self._summary(problems) + _paragraph(self._filled(texts.form)) + form
        title = f"{texts.error_in_title}: {texts.form_title}" if problems else texts.form_title
        return self._page(
            400 if problems else 200, texts.form_title, main + self._sign_in(), title=title
        )

    def done(self, *, mailed: bool) -> Page:
        """Confirm the sign-up and tell what happens next; with no word about whose it was.

        Args:
            mailed: whether confirmations are sent by e-mail.
        """
        texts = self.texts
        steps = self.seller.next_steps.splitlines() or [self._filled(texts.done_close)]
        main = _paragraph(self._filled(texts.done))
        if mailed:
            main += _paragraph(texts.done_mailed)
        main += Markup("<h2>{}</h2>\n").format(texts.done_next)
        main += Markup("").join(_paragraph(step) for step in steps if step.strip())
        if self.seller.sign_in_url:
            main += Markup('<p><a class="button" href="{}">{}</a></p>\n').format(
                self.seller.sign_in_url, texts.sign_in
            )
        return self._page(200, texts.done_title, main)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every page."""
        policy = [
            "default-src 'none'",
            f"style-src {source_of(style(self.seller))}",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ]
        if self.seller.logo_origin:
            policy.insert(2, f"img-src {self.seller.logo_origin}")
        return {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Language": self.texts.language,
            "Content-Security-Policy": "; ".join(policy),
            "X-Frame-Options": "DENY",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
            "Cross-Origin-Opener-Policy": "same-origin",
            **SAFE_HEADERS,
        }

    def _start_again(self, status: int, title: str, text: str) -> Page:
        return self._page(status, title, _paragraph(text) + self._steps())

    def _unavailable(self, text: str) -> Page:
        page = self._page(503, self.texts.unavailable_title, _paragraph(self._filled(text)))
        return Page(page.status, page.html, {**page.headers, "Retry-After": str(RETRY_AFTER_S)})

    def _page(self, status: int, heading: str, main: Markup, *, title: str = "") -> Page:
        title = title or heading
        html = _DOCUMENT.format(
            language=self.texts.language,
            title=f"{title} · {self.seller.name}" if self.seller.name else title,
            style=Markup(style(self.seller)),  # noqa: S704 (the seller's colour is six digits)
            header=self._header(),
            heading=heading,
            main=main,
            footer=self._footer(),
        )
        return Page(status, str(html), self.headers)

    def _header(self) -> Markup:
        seller = self.seller
        if seller.logo_url:
            return Markup('<header><img src="{}" alt="{}"></header>\n').format(
                seller.logo_url, seller.name or capitalized(self.texts.the_seller)
            )
        return Markup("<header>{}</header>\n").format(seller.name) if seller.name else Markup()

    def _steps(self) -> Markup:
        steps = Markup("").join(
            Markup("<li>{}</li>\n").format(self._filled(each)) for each in self.texts.start_steps
        )
        return (
            Markup('<ol>\n{}</ol>\n<p><a class="button" href="{}">{}</a></p>\n').format(
                steps, MARKETPLACE_URL, self.texts.marketplace
            )
            + self._sign_in()
        )

    def _sign_in(self) -> Markup:
        if not self.seller.sign_in_url:
            return Markup()
        return Markup('<p class="aside">{} <a href="{}">{}</a></p>\n').format(
            self.texts.have_account, self.seller.sign_in_url, self.texts.sign_in
        )

    def _field(self, entry: Entry, value: str, problem: Problem | None) -> Markup:
        texts, described = self.texts, []
        notes = Markup()
        if entry is Entry.EMAIL:
            described.append("email-hint")
            notes += Markup('<p class="hint" id="email-hint">{}</p>\n').format(texts.email_hint)
        if problem is not None:
            described.append(f"{entry}-problem")
            notes += Markup('<p class="problem" id="{}-problem">{} {}</p>\n').format(
                entry, texts.error_before_message, self._told(entry, problem)
            )
        attributes = Markup()
        if described:
            attributes += Markup(' aria-describedby="{}"').format(" ".join(described))
        if problem is not None:
            attributes += Markup(' aria-invalid="true"')
        if entry is Entry.EMAIL:
            attributes += Markup(' required inputmode="email" autocapitalize="none"')
        optional = Markup()
        if entry is not Entry.EMAIL:
            optional = Markup(" <span>({})</span>").format(texts.optional)
        return Markup(
            '<div class="field">\n'
            '<label for="{entry}">{label}{optional}</label>\n'
            "{notes}"
            '<input id="{entry}" name="{entry}" type="{type}" value="{value}" maxlength="{limit}"'
            ' autocomplete="{autocomplete}" spellcheck="false"{attributes}>\n'
            "</div>\n"
        ).format(
            entry=entry,
            label=self._label(entry),
            optional=optional,
            notes=notes,
            type="email" if entry is Entry.EMAIL else "text",
            value=value,
            limit=CHARACTERS_MAX[entry],
            autocomplete=_AUTOCOMPLETE[entry],
            attributes=attributes,
        )

    def _summary(self, problems: Problems) -> Markup:
        if not problems:
            return Markup()
        items = Markup("").join(
            Markup('<li><a href="#{}">{}</a></li>\n').format(entry, self._told(entry, problem))
            for entry, problem in problems.items()
        )
        # It takes the focus when the page comes, so that it is read first.
        return Markup(
            '<div class="summary" role="alert" tabindex="-1" autofocus>\n'
            "<h2>{}</h2>\n<ul>\n{}</ul>\n</div>\n"
        ).format(self.texts.problems_title, items)

    def _label(self, entry: Entry) -> str:
        texts = self.texts
        labels = {Entry.EMAIL: texts.email, Entry.NAME: texts.name, Entry.COMPANY: texts.company}
        return labels[entry]

    def _told(self, entry: Entry, problem: Problem) -> str:
        texts = self.texts
        if problem is Problem.MISSING:
            return texts.email_missing
        if problem is Problem.MALFORMED:
            return texts.email_malformed
        text = texts.too_long if problem is Problem.TOO_LONG else texts.characters
        return text.format(entry=self._label(entry), limit=CHARACTERS_MAX[entry])

    def _filled(self, text: str) -> str:
        seller = self.seller.name or self.texts.the_seller
        return capitalized(text.format(seller=seller, button=self.texts.button_at_marketplace))

    def _footer(self) -> Markup:
        seller, texts = self.seller, self.texts
        links = []
        if seller.support_email:
            by_email = texts.help_by_email.format(address=seller.support_email)
            links.append((f"mailto:{seller.support_email}", by_email))
        if seller.support_url:
            links.append((seller.support_url, texts.help_by_url))
        help_ = Markup("<p>{}</p>\n").format(texts.help) if links else Markup()
        for url, name in ((seller.terms_url, texts.terms), (seller.privacy_url, texts.privacy)):
            if url:
                links.append((url, name))
        if not links:
            return Markup()
        items = Markup("").join(
            Markup('<li><a href="{}">{}</a></li>\n').format(url, name) for url, name in links
        )
        return Markup('<footer>\n{}<ul class="links">\n{}</ul>\n</footer>\n').format(help_, items)


SAFE_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer, pages or not. Codes are in URLs, so nothing may keep or pass on an address."""


def _paragraph(text: str) -> Markup:
    return Markup("<p>{}</p>\n").format(text)
