"""The report: one self-contained HTML page, a verdict first and everything behind it after."""

from analysis.report.page import report

__all__ = ["report"]
