"""What mmpose looks for when it is imported and a modern machine does not have: stood in for, and taken away again.

mmpose's models need neither mmcv's compiled operators nor mmdet, but importing all of mmpose names both; and the
compiled part of xtcocotools was built for numpy 1. Left in place, the first two would be taken for the real ones.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


class _Absent(ModuleType):
    """Stands in for a module that is not installed: every function is there, and says so when it is called."""

    def __init__(self, name: str, remedy: str, **known: object) -> None:
        super().__init__(name)
        vars(self).update(known)
        self._remedy = remedy

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)

        def function(*_: object, **__: object) -> None:
            raise RuntimeError(f"{self.__name__}.{name} is not installed; {self._remedy}")

        return function


@contextmanager
def stand_ins() -> Iterator[None]:
    """Within it mmpose can be imported. `xtcocotools._mask` stays pycocotools' own: the same code, built for numpy 2.

    Only what is missing is stood in for: with the full mmcv or mmdet installed, theirs are used.
    """
    # All of xtcocotools must not be pycocotools: its AP is counted in another way.
    sys.modules.setdefault("xtcocotools._mask", import_module("pycocotools._mask"))
    missing: dict[str, ModuleType] = {}
    if find_spec("mmcv._ext") is None:
        missing["mmcv._ext"] = _Absent("mmcv._ext", "choose a model without compiled operators, or the full mmcv")
    if find_spec("mmdet") is None:
        utils = _Absent("mmdet.utils", "choose another model, or install mmdet", ConfigType=dict)
        missing |= {"mmdet": _Absent("mmdet", "install it", __path__=[], utils=utils), "mmdet.utils": utils}
    # mmpretrain's models alone are wanted; its interface asks for packages that nothing here uses.
    missing["mmpretrain.apis"] = _Absent("mmpretrain.apis", "use mmpretrain itself", __all__=[])
    if find_spec("importlib_metadata") is None:
        missing["importlib_metadata"] = import_module("importlib.metadata")
    sys.modules.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]
