"""What a request is answered with; put together by the handler, and by tests alike."""

from collections.abc import Callable
from dataclasses import dataclass

from lambdas.customers.changes import Changes
from lambdas.customers.outbox import Outbox
from lambdas.customers.table import CustomersTable
from lambdas.registration.aws import Mailer, Marketplace, RegistrationsTable
from lambdas.registration.page import Pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """The AWS things, the seller's settings, and the outside world's time and chance.

    Attributes:
        outbox: of the registrations table, for announcements with a contact in them.
        mailer: None where no sender is set.
        signup_url: of the seller's own sign-up page; empty for the one that is hosted here.
        clock: returns the time in seconds since the epoch.
        sleep: waits for so many seconds.
        random: returns so many bytes that nobody can guess.
    """

    marketplace: Marketplace
    customers: CustomersTable
    changes: Changes
    table: RegistrationsTable
    outbox: Outbox
    mailer: Mailer | None
    pages: Pages
    concurrent_agreements: bool
    signup_url: str
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    random: Callable[[int], bytes]

    def now_s(self) -> int:
        """Return the time in whole seconds."""
        return int(self.clock())
