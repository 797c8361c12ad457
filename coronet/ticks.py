"""The axis of MACs in figures, the same in the studio and in those that `compare` writes."""

from typing import Any

# Plotly's own axis writes small 2s to 9s between 10M and 100M.
MACS_TICKS: dict[str, Any] = {
    "type": "log",
    "tickvals": [digit * 10**power for power in range(3, 14) for digit in (1, 2, 5)],
    "tickformat": "~s",
}
