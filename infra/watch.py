"""Everything that tells a person how the stack does: the alarms and the dashboard."""

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra import metrics
from infra.alarms import AlarmTopic
from infra.buyer_alarms import watch_registration, watch_subscription
from infra.dashboard import make_dashboard
from infra.metering import Metering
from infra.metering_alarms import watch_metering
from infra.metrics import PERIOD_MINUTES
from infra.registration import Registration
from infra.settings import Settings
from infra.subscription import Subscription

# A quarter of an hour's ticks; three failures in a row are metering that stands still.
TICKS_FAILED = 3
TICKS_FAILED_OF = 60 // PERIOD_MINUTES

AlarmRule = cloudwatch.AlarmRule


class Watch(Construct):
    """The alarms of the stack, on the things they watch, and the page that shows them."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        metering: Metering,
        registration: Registration,
        subscription: Subscription,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        bell = AlarmTopic(self, "Bell", email=settings.alarm_email)
        self.topic = bell.topic
        standing = watch_metering(bell, metering, settings)
        behind_the_scenes = watch_subscription(bell, subscription)
        watch_registration(bell, registration)
        ticks = bell.watch(
            "TicksFail",
            metrics.failures(metering.function, label="metering"),
            above=0,
            periods=TICKS_FAILED,
            of=TICKS_FAILED_OF,
            tells="Ticks failed, or were throttled, three times in an hour.",
        )
        bell.ring_when(
            "FunctionsFail",
            # While metering stands still its own alarm rings, mostly for the same reason.
            AlarmRule.all_of(AlarmRule.any_of(ticks, *behind_the_scenes), AlarmRule.not_(standing)),
            tells="A function behind the scenes fails, or is throttled, again and again: ticks of "
            "metering, AWS Marketplace's events, or the sweep. The dashboard shows which, and its "
            "log says why. What fails is repeated, so nothing is lost yet.",
        )
        dashboard = make_dashboard(
            self,
            alarms=bell.alarms,
            metering=metering,
            registration=registration,
            subscription=subscription,
        )
        self.dashboard_url = (
            f"https://{settings.region}.console.aws.amazon.com/cloudwatch/home"
            f"?region={settings.region}#dashboards/dashboard/{dashboard.dashboard_name}"
        )
