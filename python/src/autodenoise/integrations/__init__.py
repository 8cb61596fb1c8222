"""Thin layers for what pipelines are run with. Each module needs the library it is named after."""
