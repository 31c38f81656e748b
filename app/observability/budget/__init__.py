"""Folding of repeated errors and monthly budgets. Knows nothing of the SDK.

`Budget` judges in memory; `BudgetFile` keeps it across restarts and shares it between the processes of one
disk; `leases.SharedLeases` (needs SQLAlchemy, so not imported here) shares it between replicas.
"""

from .core import Budget
from .file import BudgetFile
from .folding import OTHERS, FoldKey, Reason, Schedule
from .forecast import Forecast
from .ledger import Alarm
from .verdicts import Tally, Verdict

__all__ = [
    "OTHERS",
    "Alarm",
    "Budget",
    "BudgetFile",
    "FoldKey",
    "Forecast",
    "Reason",
    "Schedule",
    "Tally",
    "Verdict",
]
