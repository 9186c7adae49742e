"""Operations on ports."""

from __future__ import annotations

from cumulet.services.network.crud import crud
from cumulet.services.network.model import ports as model
from cumulet.services.network.service import network as service

NOUN = model.NOUN

crud(service, NOUN, model, body_limit=1 << 20)
