"""Commands, one module each; slow imports happen inside the command that needs them."""
