"""Stops 8 to 10 of 12. The chip's peripherals: one module a model, chosen by name in boards/chips.

Takes a DeviceSpec and the Bus; gives a Device. A new peripheral is a new module and a row in MODELS.
Next: base.py
"""

from __future__ import annotations

from typing import Final

from patchctl.board import DeviceSpec
from patchctl.emulator.devices.base import Bus, Device
from patchctl.emulator.devices.cmsdk_uart import CmsdkUart
from patchctl.emulator.devices.nrf_nvmc import Nrf53Nvmc, NrfNvmc
from patchctl.emulator.devices.nrf_rng import NrfRng
from patchctl.emulator.devices.nrf_uart import NrfUart
from patchctl.emulator.devices.nrf_uarte import NrfUarte
from patchctl.emulator.devices.stm32 import StGpio, StRng
from patchctl.emulator.devices.stm32_flash import StFlashG0, StFlashL4
from patchctl.emulator.devices.stm32_rcc import StRccG0, StRccL4
from patchctl.emulator.devices.stm32_usart import StUsart
from patchctl.errors import ConfigError

MODELS: Final[dict[str, type[Device]]] = {
    "cmsdk_uart": CmsdkUart,
    "nrf53_nvmc": Nrf53Nvmc,
    "nrf_nvmc": NrfNvmc,
    "nrf_rng": NrfRng,
    "nrf_uart": NrfUart,
    "nrf_uarte": NrfUarte,
    "stm32_gpio": StGpio,
    "stm32_rng": StRng,
    "stm32_usart": StUsart,
    "stm32g0_flash": StFlashG0,
    "stm32g0_rcc": StRccG0,
    "stm32l4_flash": StFlashL4,
    "stm32l4_rcc": StRccL4,
}


def make_device(spec: DeviceSpec, bus: Bus) -> Device:
    """The device of `spec`; ConfigError if its model does not exist."""
    if spec.model not in MODELS:
        raise ConfigError(
            f"device {spec.name} wants the model {spec.model!r}, which the emulator does not have",
            where="boards/chips",
            hint=f"one of: {', '.join(sorted(MODELS))}",
        )
    return MODELS[spec.model](spec, bus)
