from .fit import GoodnessOfFit as GoodnessOfFit
from .fit import bickel_rosenblatt_test as bickel_rosenblatt_test
