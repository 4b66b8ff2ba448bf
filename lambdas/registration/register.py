"""A buyer arrives: from the registration token to a known customer and a one-time code.

Everything is safe to repeat, and a buyer whose request died presses the button again. The token is
resolved at once and kept nowhere.
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from lambdas.customers import history
from lambdas.customers.license import License
from lambdas.registration.codes import CODE_BYTES, Registration, code_of, hash_of
from lambdas.registration.customer import (
    Answer,
    Customer,
    TokenRefused,
    Unavailable,
    as_product_says,
)
from lambdas.registration.form import Arrival
from lambdas.registration.page import CODE_FIELD
from lambdas.registration.wiring import Wiring

LICENSE_WAIT_S = 1
"""Before ResolveCustomer is asked again because its first answer had no license."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The buyer is known, and may go on with this code."""

    code: str = field(repr=False)
    registration: Registration


def register(wiring: Wiring, arrival: Arrival) -> Registered | TokenRefused | Unavailable:
    """Make the buyer a known customer; a buyer who is known already goes the same way."""
    answer = _resolve(wiring, arrival.token)
    if not isinstance(answer, Customer):
        return answer
    customer = as_product_says(answer, concurrent_agreements=wiring.concurrent_agreements)
    if not customer.is_known:
        return Unavailable("AnswerWithoutCustomer")
    now_s = wiring.now_s()
    event = history.registration(
        at_ms=now_s * 1000,
        license_arn=customer.license_arn,
        account=customer.account,
        product_code=customer.product_code,
        customer_identifier=customer.customer_identifier,
        agreement_id=customer.agreement_id,
        free_trial=arrival.free_trial or None,
    )
    licenses = wiring.changes.note([event])
    registration = _registration(customer, event, licenses, arrival)
    code = code_of(wiring.random(CODE_BYTES))
    wiring.table.save(hash_of(code), registration)
    return Registered(code, registration)


def _resolve(wiring: Wiring, token: str) -> Answer:
    """Ask, and ask again for a license that the first answer after a purchase may lack."""
    first = wiring.marketplace.resolve(token)
    if not isinstance(first, Customer) or first.is_identified:
        return first
    wiring.sleep(LICENSE_WAIT_S)
    second = wiring.marketplace.resolve(token)
    # A token that is taken once only is refused now, but the first answer stays true.
    return second if isinstance(second, Customer) and second.is_identified else first


def _registration(
    customer: Customer, event: history.Event, licenses: list[License], arrival: Arrival
) -> Registration:
    """Tell what the code stands for; an event may have told already which license it is."""
    key, arn = event.license, customer.license_arn
    if not key and len(licenses) == 1:
        key, arn = licenses[0].key, licenses[0].arn
    return Registration(
        license=key,
        arn=arn,
        account=customer.account,
        product_code=customer.product_code,
        customer_identifier=customer.customer_identifier,
        agreement_id=customer.agreement_id,
        free_trial=arrival.free_trial,
        at_s=event.at_ms // 1000,
    )


def with_code(url: str, code: str) -> str:
    """Add a code to the URL of a sign-up page, behind what its query has already.

    >>> with_code("https://example.com/signup?plan=pro#top", "abc")
    'https://example.com/signup?plan=pro&registration=abc#top'
    """
    parts = urlsplit(url)
    query = f"{parts.query}&" if parts.query else ""
    return urlunsplit(parts._replace(query=f"{query}{CODE_FIELD}={code}"))
