"""The demo's buyers: they purchase, register through the seller's pages, and cancel."""

from dataclasses import dataclass

from lambdas.customers.license import LicenseKey, license_key_of_arn
from sandbox.buyer import register
from sandbox.sandbox import Sandbox

PRODUCT = "example000000000000000001"
DIMENSIONS = ("users", "api-calls", "storage-gb", "reports", "messages")

ACCOUNTS = {
    "Ana": "111122223333",
    "Ben": "222233334444",
    "Cleo": "333344445555",
    "Dora 1": "444455556666",
    "Dora 2": "444455556666",
    "Emil": "555566667777",
}
"""Dora holds two licenses of the product."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who bought, and which license it is."""

    name: str
    account: str
    license_arn: str
    registration_token: str

    @property
    def key(self) -> LicenseKey:
        """The license's name in the ledger."""
        return license_key_of_arn(self.license_arn)

    def register(self, sandbox: Sandbox) -> None:
        """Press *Set up your account*, and fill in the seller's form."""
        email = f"{self.name.replace(' ', '.').lower()}@example.com"
        register(sandbox.url("RegistrationUrl"), self.registration_token, email=email)

    def cancel(self, sandbox: Sandbox) -> None:
        """Press *Cancel subscription*."""
        sandbox.emulator("licenses", {"license_arn": self.license_arn, "change": "cancel"})


def purchase(sandbox: Sandbox, name: str) -> Buyer:
    """Let a buyer press *Purchase*; AWS Marketplace activates the license a minute later."""
    bought = sandbox.emulator(
        "purchases",
        {
            "product_code": PRODUCT,
            "account": ACCOUNTS[name],
            "dimensions": list(DIMENSIONS),
            "state": "as-real",
        },
    )
    return Buyer(name, ACCOUNTS[name], bought["license_arn"], bought["registration_token"])
