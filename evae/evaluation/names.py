"""Names of the samplers of new images; imports nothing heavy."""

#: The laws that codes are drawn from (`evae.evaluation.code_laws`).
SAMPLERS = ("prior", "mixture")
