"""The operations of a training step that a CUDA graph cannot record."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# Operations that wait for the device, or whose result has a size that only the values tell.
WAITING = {
    "_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "nonzero_numpy", "masked_select", "_unique2",
    "unique_dim", "unique_consecutive", "bincount", "histc", "lift_fresh", "repeat_interleave", "_pin_memory",
}  # fmt: skip


class Watch(TorchDispatchMode):
    """Collects what may not be in a step."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.products: set[torch.dtype] = set()
        self.seen = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.seen += 1
        kwargs = kwargs or {}
        if fault(function, args, kwargs):
            self.found.append(str(function))
        if function.overloadpacket.__name__ == "convolution":
            self.products.add(args[0].dtype)
        return function(*args, **kwargs)


def fault(function, args, kwargs) -> bool:
    name, overload = function.overloadpacket.__name__, function._overloadname
    tensors = [value for value in args if isinstance(value, torch.Tensor)]
    devices = {value.device.type for value in tensors}
    if kwargs.get("device") is not None and tensors:
        devices.add(torch.device(kwargs["device"]).type)
    by_mask = name.startswith("index") and any(
        part is not None and part.dtype in (torch.bool, torch.uint8)
        for part in (args[1] if isinstance(args[1], list | tuple) else [])
    )
    without_replacement = name == "multinomial" and not (len(args) > 2 and args[2])
    across = name in ("_to_copy", "copy_") and len(devices) > 1
    # With a number of repeats for each element the size depends on values; with one for all it does not get here.
    waits = name in WAITING and not (name == "repeat_interleave" and "int" in overload)
    return waits or by_mask or without_replacement or across
