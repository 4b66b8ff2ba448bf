"""A deployed stack in the sandbox: purchases made without a browser, time passed, results read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from lambdas.customers.license import License, LicenseKey, license_key_of_arn
from lambdas.customers.table import CustomersTable
from sandbox.marketplace.agreements import product_id_of
from sandbox.sandbox import Sandbox

PRODUCT = "example000000000000000001"
PRODUCT_ID = product_id_of(PRODUCT)

TICKS_SPEED = 20
"""A tick polls an empty queue for a second or so: of emulated time."""


@dataclass(frozen=True, slots=True)
class Bought:
    """What a buyer has bought."""

    license_arn: str
    agreement_id: str
    registration_token: str

    @property
    def key(self) -> LicenseKey:
        """The license's name."""
        return license_key_of_arn(self.license_arn)


@dataclass(frozen=True, slots=True)
class Stage:
    """The stack, and how the seller and AWS Marketplace see it."""

    sandbox: Sandbox

    def now(self) -> datetime:
        """The emulated time."""
        return self.sandbox.clock.now()

    def purchase(self, account: str, **terms: object) -> Bought:
        """Let an account buy; the license is activated by an event, a minute or so later."""
        asked = {"product_code": PRODUCT, "account": account, "dimensions": ["users"]}
        bought = self.sandbox.emulator("purchases", {**asked, "state": "as-real", **terms})
        return Bought(**{name: bought[name] for name in Bought.__dataclass_fields__})

    def cancel(self, bought: Bought) -> None:
        """Let the buyer cancel."""
        change = {"license_arn": bought.license_arn, "change": "cancel"}
        self.sandbox.emulator("licenses", change)

    def stray(self, kind: str, event: str, **more: object) -> None:
        """Let the next event whose name begins like this stray, once all before have come."""
        self.let_pass(minutes=2)
        self.sandbox.emulator("delivery", {"kind": kind, "event": event, **more})

    def let_pass(self, **time: float) -> None:
        """Let time pass, and deliver what AWS Marketplace tells meanwhile."""
        self.sandbox.clock.advance(timedelta(**time).total_seconds())
        self.sandbox.settle()

    def run_until(self, moment: datetime) -> None:
        """Let time pass as it does in AWS: schedules fire, and events come in between."""
        self.sandbox.clock.run(TICKS_SPEED)
        self.sandbox.run_until(moment)
        self.sandbox.clock.run(1)

    def tick(self) -> Mapping[str, Any]:
        """Run the metering function."""
        self.sandbox.clock.run(TICKS_SPEED)
        summary: Mapping[str, Any] = self.sandbox.invoke_metering()
        self.sandbox.clock.run(1)
        return summary

    def reconcile(self) -> Mapping[str, Any]:
        """Run the reconciliation."""
        answer: Mapping[str, Any] = self.sandbox.invoke(
            self.sandbox.outputs["ReconciliationFunctionName"]
        )
        return answer

    def use(self, bought: Bought, quantity: int, *, key: str) -> None:
        """Send usage of this moment."""
        self.sandbox.client("sqs").send_message(
            QueueUrl=self.sandbox.outputs["UsageQueueUrl"],
            MessageBody=json.dumps(self.usage(bought, quantity, key=key)),
        )

    def usage(self, bought: Bought, quantity: int, *, key: str) -> dict[str, object]:
        """Write usage of this moment."""
        return {
            "Id": key,
            "Timestamp": self.now().isoformat(),
            "LicenseArn": bought.license_arn,
            "Dimension": "users",
            "Quantity": quantity,
        }

    def billed(self, bought: Bought) -> Decimal:
        """What AWS would bill for a license."""
        lines = self.sandbox.emulator("usage")["usage"]
        own = [each for each in lines if each["license_arn"] == bought.license_arn]
        return sum((Decimal(each["quantity"]) for each in own), Decimal(0))

    def arrived(self, bought: Bought) -> list[str]:
        """What AWS Marketplace has told about a purchase, in the order in which it came."""
        events = self.sandbox.emulator("events")["events"]
        return [each["name"] for each in events if bought.agreement_id in json.dumps(each["body"])]

    def took_usage(self, *, since: datetime) -> list[datetime]:
        """When AWS Marketplace has taken usage, of whomever."""
        calls = self.sandbox.emulator("calls")["calls"]
        times = [datetime.fromisoformat(each["at"]) for each in calls if _took_usage(each)]
        return [at for at in times if at >= since]

    def license(self, bought: Bought) -> License | None:
        """What the stack holds of a license."""
        return self._customers().licenses([bought.key]).get(bought.key)

    def licenses_of(self, account: str) -> Sequence[License]:
        """What the stack holds of an account."""
        return self._customers().of_accounts([account]).get(account, [])

    def contacts(self, key: str) -> list[dict[str, str]]:
        """Who signed up for a license: address, name and company."""
        found = self.sandbox.client("dynamodb").query(
            TableName=self.sandbox.outputs["RegistrationsTableName"],
            KeyConditionExpression="pk = :owner AND begins_with(sk, :contact)",
            ExpressionAttributeValues={
                ":owner": {"S": f"license#{key}"},
                ":contact": {"S": "contact#"},
            },
        )["Items"]
        return [{name: each[name]["S"] for name in ("email", "name", "company")} for each in found]

    def told(self, key: str) -> list[tuple[str, Mapping[str, Any]]]:
        """What the seller's systems were told of a license, a copy of an event once."""
        events = {
            event["detail"]["Id"]: (event["detail-type"], event["detail"])
            for event in self.sandbox.published()
            if event["detail"].get("License") == key
        }
        return list(events.values())

    def mails_to(self, address: str) -> list[Mapping[str, Any]]:
        """The e-mails that an address got."""
        return [
            mail for mail in self.sandbox.mails() if mail["Destination"]["ToAddresses"] == [address]
        ]

    def _customers(self) -> CustomersTable:
        return CustomersTable(
            self.sandbox.client("dynamodb"), self.sandbox.outputs["CustomersTableName"]
        )


def _took_usage(call: Mapping[str, Any]) -> bool:
    return "Success" in call["statuses"]
