"""All drills with replicas."""

from tests.drills.database_outages import OUTAGE_DRILLS
from tests.drills.replica_ends import END_DRILLS
from tests.drills.replica_reports import ReplicaDrill
from tests.drills.takeover_limits import LIMIT_DRILLS
from tests.drills.takeovers import TAKEOVERS
from tests.drills.webhook_replicas import WEBHOOK_DRILLS

REPLICA_DRILLS: tuple[ReplicaDrill, ...] = (
    *TAKEOVERS,
    *OUTAGE_DRILLS,
    *LIMIT_DRILLS,
    *END_DRILLS,
    *WEBHOOK_DRILLS,
)
