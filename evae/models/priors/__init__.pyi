from .choice import prior_for as prior_for
from .prior import CodeLaw as CodeLaw
from .prior import Components as Components
from .prior import NormalPrior as NormalPrior
from .prior import Prior as Prior
from .prior import UniformPrior as UniformPrior
