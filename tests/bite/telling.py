"""Bugs in who is a customer, what state a license is in, and what the seller is told of it."""

from tests.bite.bug import WHOLE, Bug, Edit

CHANGES = "lambdas/customers/changes.py"
TABLE = "lambdas/customers/table.py"
HISTORY = "lambdas/customers/history.py"
BUS = "lambdas/customers/bus.py"
ANNOUNCEMENTS = "lambdas/customers/announcements.py"
EVENTS = "lambdas/subscription/events.py"
TICK = "lambdas/metering/tick.py"
CHANGED = "tests/integration/test_customers_changes.py::"
RACES = "tests/integration/test_customers_changes_races.py::"
RECONCILIATION = "tests/integration/test_subscription_reconciliation.py::"

BUGS = (
    Bug(
        "a late event undoes a newer one",
        Edit(
            HISTORY,
            "key=lambda each: (each.at_ms, _RANKS[each.kind], each.id)",
            "key=lambda each: each.id",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "an event that comes before the registration is dropped",
        Edit(
            CHANGES,
            """
        if event.license:
            self._table.keep(event)
""",
            """
        if event.license:
            known = self._table.licenses([event.license])
            if not known and event.kind is not Kind.REGISTERED:
                return []
            self._table.keep(event)
""",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "an event that was kept is not applied when it comes again",
        Edit(
            TABLE,
            """
        except self._client.exceptions.ConditionalCheckFailedException:
            return

    def kept(self""",
            """
        except self._client.exceptions.ConditionalCheckFailedException:
            raise KeyError(event.id) from None

    def kept(self""",
        ),
        Edit(
            CHANGES,
            """
            concerned |= dict.fromkeys(self._keep(event))
""",
            """
            try:
                concerned |= dict.fromkeys(self._keep(event))
            except KeyError:
                continue
""",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "a second registration overwrites the first",
        Edit(
            TABLE,
            """
                Item=_kept_item(event),
                ConditionExpression="attribute_not_exists(pk)",
""",
            """
                Item=_kept_item(event),
""",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "a registration overwrites the license",
        Edit(
            CHANGES,
            """
        if event.license:
            self._table.keep(event)
            if event.kind is Kind.REGISTERED:
""",
            """
        if event.license:
            self._table.keep(event)
            if event.kind is Kind.REGISTERED:
                self._table.save(license_of(event.license, [event], event.at_ms))
""",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "a license is written whatever was written meanwhile",
        Edit(
            TABLE,
            """
        parts: Any = [{"Put": put["Put"] | condition}, *pointers, *others]
""",
            """
        condition.clear()
        parts: Any = [{"Put": put["Put"] | condition}, *pointers, *others]
""",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "the license is read after what happened to it",
        Edit(
            TABLE,
            """
        found = self.licenses([key]).get(key)
        events = [_event(item)""",
            """
        events = [_event(item)""",
        ),
        Edit(
            TABLE,
            """
        return Kept(found, events)
""",
            """
        return Kept(self.licenses([key]).get(key), events)
""",
        ),
        hunters=(WHOLE, RACES + "test_two_may_take_turns_in_any_way"),
    ),
    Bug(
        "a license of which nothing is kept but a pointer is written",
        Edit(CHANGES, "if before is None and not kept.events:", "if False:"),
        hunters=(WHOLE, RACES + "test_a_license_of_which_nothing_is_kept_has_no_row"),
    ),
    Bug(
        "what is told is written after the change, not with it",
        Edit(
            CHANGES,
            """
            if self._table.replace(before, after, [self._outbox.put(each) for each in told_of]):
""",
            """
            if self._table.replace(before, after):
                for each in told_of:
                    self._outbox._client.put_item(**self._outbox.put(each)["Put"])
""",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "an announcement is forgotten before it is published",
        Edit(
            CHANGES,
            """
        taken = self._bus.publish(written)
        for each in taken:
            (outbox or self._outbox).delete(each)
""",
            """
        written = list(written)
        for each in written:
            (outbox or self._outbox).delete(each)
        taken = self._bus.publish(written)
""",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "an announcement that the bus refused is forgotten",
        Edit(
            BUS,
            """
        return [each for each, result in results if "ErrorCode" not in result]
""",
            """
        return [each for each, result in results if result]
""",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "an announcement has another id at each publication",
        Edit(
            BUS,
            """
                "Detail": json.dumps(each.detail),
""",
            """
                "Detail": json.dumps({**each.detail, "Id": f"{each.id}-{id(each)}"}),
""",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "the sweep leaves what another table announces",
        Edit(
            CHANGES,
            "for outbox in (self._outbox, *outboxes)",
            "for outbox in (self._outbox, *outboxes[:0])",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "a license whose buyer has not registered is told of",
        Edit(
            ANNOUNCEMENTS,
            """
    if after.registered_s is None:
        return []
""",
            """
""",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "a renewal is taken for an end",
        Edit(EVENTS, '{"RENEWED", "REPLACED", "SUPERSEDED"}', '{"SUPERSEDED"}'),
        hunters=(WHOLE,),
    ),
    Bug(
        "a license that ends is never over",
        Edit(CHANGES, "for each in self._table.in_state(State.ENDING)", "for each in ()"),
        hunters=(WHOLE,),
    ),
    Bug(
        "a license that ends is not sealed early",
        Edit(
            TICK,
            """
        return seals_for_ending(ledger, ending, terms=terms, now_s=now_s)
""",
            """
        return seals_for_ending(ledger, ending[:0], terms=terms, now_s=now_s)
""",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "a license that came back stays ended",
        Edit(
            HISTORY,
            """
                self.closed_ms = self.over_ms = None
""",
            """
                self.over_ms = None
""",
        ),
        hunters=(WHOLE,),
    ),
    Bug(
        "an end that names an agreement only is not taken for its license's",
        Edit(
            CHANGES,
            """
            concerned = self._table.licenses_of_agreement(event.agreement_id)
""",
            """
            concerned = []
""",
        ),
        hunters=(CHANGED + "test_an_end_finds_the_licenses_of_its_agreement",),
    ),
    Bug(
        "a registration for an agreement that was left before it was heard of is never found",
        Edit(
            "lambdas/subscription/reconciliation.py",
            """
        if unregistered:
""",
            """
        if unregistered and missing:
""",
        ),
        hunters=(
            RECONCILIATION
            + "test_a_registration_for_an_agreement_that_was_left_before_it_was_heard_of_is_found",
        ),
    ),
)
