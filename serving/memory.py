"""How the C library keeps memory: told so, a worker gives back what loading a bundle took."""

import ctypes

# Parameters of mallopt(3), as glibc numbers them, with what a worker needs.
_OPTIONS = {
    -8: 2,  # M_ARENA_MAX: of one arena a thread, each keeps the largest text that its thread ever read
    -3: 2 * 2**20,  # M_MMAP_THRESHOLD, bytes: a model's weights are mapped and given back, activations are not
    -1: 4 * 2**20,  # M_TRIM_THRESHOLD, bytes
}


def keep_little() -> None:
    """Set the allocator up; call it before much is loaded. Does nothing where the C library has no such options."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for option, value in _OPTIONS.items():
            library.mallopt(option, value)


def give_back() -> None:
    """Give back to the system what the C library keeps free; call it when loading a bundle is over."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
