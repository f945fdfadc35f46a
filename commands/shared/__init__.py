"""Code shared by the commands: options, output, error handling, shell completion."""
