from .convergence import Convergence as Convergence
from .convergence import studies_at as studies_at
from .study import Result as Result
from .study import SimulationInterrupted as SimulationInterrupted
from .study import SimulationStopped as SimulationStopped
from .study import Study as Study
from .summary import Summary as Summary
from .summary import summarise as summarise
