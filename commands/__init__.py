"""The commands, one module each. Everything heavy is imported inside the command that needs it."""
