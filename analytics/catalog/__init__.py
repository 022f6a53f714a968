"""Metrics and experiments as code: definition files, checked, and resolved to frozen values."""

from __future__ import annotations

from analytics.catalog.experiment import Experiment, undeclared
from analytics.catalog.load import Catalog, CatalogError, load_catalog
from analytics.catalog.metric import Days, Metric
from analytics.catalog.yaml_lines import Problem

__all__ = [
    "Catalog",
    "CatalogError",
    "Days",
    "Experiment",
    "Metric",
    "Problem",
    "load_catalog",
    "undeclared",
]
