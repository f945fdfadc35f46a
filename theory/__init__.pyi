from .claim import Claim as Claim
from .claim import InputError as InputError
from .claim import Verdict as Verdict
from .ledger import Finding as Finding
from .ledger import verify as verify
