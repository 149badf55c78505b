"""What people start: the `parley` command, settings, the default assistant. The only place that sees everything."""
