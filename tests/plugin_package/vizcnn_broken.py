"""A plugin that can't be imported."""

import a_package_that_is_not_installed  # noqa: F401
