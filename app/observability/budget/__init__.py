"""Folding of repeated errors and monthly budgets. Knows nothing of the SDK.

`Budget` judges in memory; `BudgetFile` keeps it across restarts and shares it between the processes of one
disk; `leases.SharedLeases` (needs SQLAlchemy, so not imported here) shares it between replicas.
"""

from .core import MAX_TESTS_A_DAY, Budget
from .file import BudgetFile
from .folding import OTHERS, FoldKey, Reason, Schedule
from .forecast import Forecast
from .ledger import Alarm
from .verdicts import Payment, Tally, Verdict

__all__ = [
    "MAX_TESTS_A_DAY",
    "OTHERS",
    "Alarm",
    "Budget",
    "BudgetFile",
    "FoldKey",
    "Forecast",
    "Payment",
    "Reason",
    "Schedule",
    "Tally",
    "Verdict",
]
