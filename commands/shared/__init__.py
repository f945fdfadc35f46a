"""What commands share: options, output, failures, completion in a shell."""
