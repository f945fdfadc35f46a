from .finding import Finding as Finding
from .registry import claim_named as claim_named
from .registry import claims as claims
from .registry import select as select
from .registry import verify as verify
