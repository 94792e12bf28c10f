"""The companion package of the course: each module is one idea and one chapter's worth of code."""

__version__ = "0.1.0"
