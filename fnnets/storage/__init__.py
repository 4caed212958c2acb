"""Files: parameters as safetensors, whole files or none, errors of data, progress on the terminal."""

from fnnets.storage.errors import DataError, DataNotFoundError, DataNotWrittenError
from fnnets.storage.safetensors import about, load, save

__all__ = ["DataError", "DataNotFoundError", "DataNotWrittenError", "about", "load", "save"]
