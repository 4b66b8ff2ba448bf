"""Bugs in what takes usage off the queue and counts it."""

from tests.bite.bug import CORE, Bug, Edit

CUSTOMER = "lambdas/metering/customer.py"
DRAIN = "lambdas/metering/drain.py"
FOLD = "lambdas/metering/fold.py"
HAND = "lambdas/metering/hand.py"
LOG = "lambdas/metering/log.py"
HOLES = "tests/integration/test_metering_holes.py::"

BUGS = (
    Bug(
        "messages are deleted before their usage is counted",
        Edit(
            DRAIN,
            """
    customers = _customers_meant(wiring, hand.usages)
""",
            """
    wiring.queue.delete(hand.messages)
    customers = _customers_meant(wiring, hand.usages)
""",
        ),
    ),
    Bug(
        "messages are deleted before what cannot be counted is in quarantine",
        Edit(
            DRAIN,
            """
    _apply(wiring, hand, quarantine)
    wiring.queue.delete(hand.messages)
""",
            """
    wiring.queue.delete(hand.messages)
    _apply(wiring, hand, quarantine)
""",
        ),
    ),
    Bug(
        "an exception consumes the messages at hand",
        Edit(
            DRAIN,
            """
            _count(wiring, summary, hand)
""",
            """
            try:
                _count(wiring, summary, hand)
            except Exception:
                wiring.queue.delete(hand.messages)
""",
        ),
    ),
    Bug(
        "after a lost append the same content goes to the next number",
        Edit(
            LOG,
            """
            return False
        ledger.apply(ledger.last + 1, entry)
""",
            """
            self.read(entry.at_s)
            return self.append(ledger, entry)
        ledger.apply(ledger.last + 1, entry)
""",
        ),
        form=13,
    ),
    Bug(
        "a lost append counts as written",
        Edit(
            LOG,
            """
        if not self._table.append(ledger.last + 1, pack(entry)):
            return False
""",
            """
        self._table.append(ledger.last + 1, pack(entry))
""",
        ),
    ),
    Bug(
        "a warm container does not read what others appended",
        Edit(
            LOG,
            """
            for number, packed in self._table.entries_after(ledger.last):
""",
            """
            for number, packed in ():
""",
        ),
    ),
    Bug(
        "one key for all records of a message",
        Edit(
            "lambdas/metering/usage.py",
            "key = place_digest(delivery.message_id, index) if id_ is None",
            "key = place_digest(delivery.message_id, 0) if id_ is None",
        ),
        form=1,
    ),
    Bug(
        "an Id is forgotten when its usage would be too old, not an id memory after it came",
        Edit(
            LOG,
            """
        needed_s = now_s - self._terms.id_memory_s
""",
            """
        needed_s = now_s
""",
        ),
        Edit(
            DRAIN,
            """
            hand.oldest_s - wiring.terms.id_memory_s,
""",
            """
            hand.oldest_s,
""",
        ),
        form=2,
    ),
    Bug(
        "a key of the resolved license only",
        Edit(
            FOLD,
            """
        self.keys[usage.key] = usage.check
        if license_digest is not None:
""",
            """
        if license_digest is None:
            self.keys[usage.key] = usage.check
        else:
""",
        ),
        # A run would end at a key that is not where its keeper looks, before money is lost.
        hunters=(HOLES + "test_an_id_is_known_though_its_account_holds_another_license_now",),
        form=3,
    ),
    Bug(
        "a key of the customer as written only",
        Edit(
            FOLD,
            """
        if usage.id is not None:
""",
            """
        if not usage:
""",
        ),
    ),
    Bug(
        "redriven usage gets a new key",
        Edit(
            HAND,
            """
                key=before.key if single else usage.key,
""",
            """
                key=usage.key,
""",
        ),
        form=4,
    ),
    Bug(
        "the second quantity under an Id is dropped as a copy",
        Edit(
            FOLD,
            """
    if known == usage.check:
""",
            """
    if known:
""",
        ),
        form=9,
    ),
    Bug(
        "a queue with a redrive policy",
        Edit(
            "infra/metering.py",
            """
            message_bytes_max=USAGE_MESSAGE_BYTES_MAX,
        )
""",
            """
            message_bytes_max=USAGE_MESSAGE_BYTES_MAX,
            dead_letters=cdk.aws_sqs.DeadLetterQueue(
                max_receive_count=3, queue=durable_queue(self, "Dead")
            ),
        )
""",
        ),
        hunters=(
            "tests/infra/test_usage_queue.py::test_the_usage_queue_has_no_redrive_policy_as_that_would_bill_twice",
        ),
        form=10,
    ),
    Bug(
        "entries are filled by count",
        Edit(
            FOLD,
            """
        if self.bytes_taken + size > ENTRY_BYTES_MAX:
""",
            """
        if len(self.keys) >= ENTRY_BYTES_MAX // KEY_BYTES:
""",
        ),
        Edit(
            FOLD,
            "if pack(folded.entry).size_bytes <= ENTRY_BYTES_MAX:",
            "if len(folded.entry.keys) <= ENTRY_BYTES_MAX:",
        ),
        hunters=(HOLES + "test_entries_are_filled_by_what_they_take",),
        form=11,
    ),
    Bug(
        "late usage rides into the next month",
        Edit(
            FOLD,
            """
            if month_of(hour) != month_of(own):
""",
            """
            if hour < own:
""",
        ),
        form=7,
    ),
    Bug(
        "usage is added to an hour that is sealed early for its license",
        Edit(
            FOLD,
            "max(own, self.ledger.sealed_upto(who) + 1, self.first_open)",
            "max(own, self.ledger.watermark + 1, self.first_open)",
        ),
    ),
    Bug(
        "usage of hours that an older submitter bills is counted",
        Edit(
            FOLD,
            """
        if bill_s < self.terms.metering_from_s:
""",
            """
        if bill_s < 0:
""",
        ),
        form=20,
    ),
    Bug(
        "an account means its license of today",
        Edit(
            CUSTOMER,
            """
    meant = meant_by_account(candidates, used_s, now_s)
""",
            """
    meant = meant_by_account(candidates, now_s, now_s)
""",
        ),
        form=21,
    ),
    Bug(
        "usage that names its customer by account is quarantined as naming nobody",
        Edit(
            CUSTOMER,
            """
    meant = meant_by_account(candidates, used_s, now_s)
""",
            """
    meant = []
""",
        ),
    ),
    Bug(
        "quarantine is named by its key alone",
        Edit(
            "lambdas/metering/aws/quarantine.py",
            """
        return self.key.hex() + self.check.hex()
""",
            """
        return self.key.hex() + bytes(4).hex()
""",
        ),
        # A run would end at a name that is not where its keeper looks, before usage is lost.
        hunters=(HOLES + "test_every_quantity_under_one_id_waits_by_itself",),
        form=16,
    ),
    Bug(
        "a redrive looks back to the first quarantine only",
        Edit(
            HAND,
            """
        oldest_s = min(usage.used_s, before.first_s)
""",
            """
        oldest_s = before.first_s
""",
        ),
        hunters=(
            CORE,
            HOLES + "test_a_redrive_is_compared_with_all_that_was_counted_since_the_usage",
        ),
        form=17,
    ),
    Bug(
        "redriven usage leaves quarantine before it is back there with another reason",
        Edit(
            DRAIN,
            """
    for _ in wiring.parallel(wiring.quarantine.put, quarantine):
""",
            """
    for each in hand.replaced:
        wiring.quarantine.delete(each)
    for _ in wiring.parallel(wiring.quarantine.put, quarantine):
""",
        ),
    ),
    Bug(
        "redriven usage leaves quarantine before it is counted",
        Edit(
            HAND,
            """
    for usage in usages:
        oldest_s = min(usage.used_s, before.first_s)
""",
            """
    for usage in usages:
        wiring.quarantine.delete(before)
        oldest_s = min(usage.used_s, before.first_s)
""",
        ),
    ),
)
"""In the order of the code."""
