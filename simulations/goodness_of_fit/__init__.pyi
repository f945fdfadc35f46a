from .fit import bickel_rosenblatt_test as bickel_rosenblatt_test
from .result import GoodnessOfFit as GoodnessOfFit
